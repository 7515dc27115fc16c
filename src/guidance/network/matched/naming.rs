//! A name that pictures are to go by: what they show, its colour, the place, the background.

use std::rc::Rc;

use super::{SWAY, answer};
use crate::{
    error::{Error, Result},
    guidance::{network::Loss, universal::Guide},
    models::guides::{Eyes, Question},
    tensor::Tensor,
};

/// Pulls towards pictures that are named so.
pub struct Naming {
    eyes: Rc<Eyes>,
    question: Question,
    /// 1 for the name, 0 for the others: `[1, names]`
    wanted: Tensor,
}

impl Naming {
    /// Towards this answer to this question.
    ///
    /// # Errors
    /// When it is none of the answers, or the device has no room.
    pub fn new(eyes: &Rc<Eyes>, question: Question, name: &str) -> Result<Self> {
        let at = answer(eyes, question, name)?;
        let mut shares = vec![0.0; eyes.names(question).len()];
        shares[at] = 1.0;
        Ok(Self {
            eyes: Rc::clone(eyes),
            question,
            wanted: eyes.device().constant([1, shares.len()], &shares)?,
        })
    }

    /// Towards a name as a person writes it: `dog`, or `dye=red` where more than one question has that answer.
    ///
    /// # Errors
    /// When it answers no question, or more than one.
    pub fn parse(eyes: &Rc<Eyes>, text: &str) -> Result<Self> {
        if let Some((question, name)) = text.split_once('=') {
            let wanted = question.trim().to_lowercase();
            let known = Question::ALL;
            let found = known.into_iter().find(|question| question.name() == wanted);
            let Some(question) = found else {
                return Err(Error::Request(format!(
                    "the guide is not asked for {:?}: ask it for {}",
                    question.trim(),
                    known.map(Question::name).join(", ")
                )));
            };
            return Self::new(eyes, question, name);
        }
        let fits = |question: &Question| answer(eyes, *question, text).is_ok();
        let found: Vec<Question> = Question::ALL.into_iter().filter(fits).collect();
        match found[..] {
            [question] => Self::new(eyes, question, text),
            [] => Err(Error::Request(format!(
                "the guide knows nothing called {text:?}: it knows things ({}), scenes ({}) and colours ({})",
                eyes.names(Question::Thing).join(", "),
                eyes.names(Question::Scene).join(", "),
                eyes.names(Question::Colour).join(", ")
            ))),
            _ => {
                let spelled: Vec<String> = found
                    .iter()
                    .map(|question| format!("{}={text}", question.name()))
                    .collect();
                Err(Error::Request(format!(
                    "{text:?} may be said of more than one thing: write {}",
                    spelled.join(" or ")
                )))
            }
        }
    }

    /// `[B, names]`
    fn logits(&self, image: &Tensor) -> Tensor {
        self.eyes.look(image).logits(self.question)
    }
}

impl Guide for Naming {
    fn name(&self) -> &str {
        self.question.name()
    }

    fn sway(&self) -> f32 {
        SWAY
    }

    /// The negative logarithm of the share that the name has.
    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        Ok(Loss::CrossEntropy.between(&self.logits(image), &self.wanted))
    }

    /// The share that the name has, 0 to 1.
    fn score(&self, image: &Tensor) -> Result<Tensor> {
        let shares = self.logits(image).softmax().mul(&self.wanted);
        Ok(shares.sum(&[1]).reshape([image.shape()[0]]))
    }
}
