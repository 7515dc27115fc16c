//! Judges that did not guide: how good a picture is by eyes that nobody pulled at.
//!
//! A guide that judges what it has guided praises itself: pictures may please a network without showing anything. Eyes that
//! were trained otherwise are not so easily pleased.

use std::rc::Rc;

use super::{Boxed, Boxes, Contrast, Cutout, Naming, Style, Trait, answer};
use crate::{
    error::{Error, Result},
    guidance::{crop::Crop, universal::Guide},
    models::guides::{Eyes, Question, SIZE_PX},
    tensor::Tensor,
};

/// What a guide was after.
#[derive(Clone, Copy)]
pub enum Goal<'a> {
    /// A name, as [`Naming::parse`] takes it.
    Named(&'a str),
    /// Things in places.
    Boxed(&'a [Boxed]),
    /// A foreground, `[1, H, W, 1]`.
    Mask(&'a Tensor),
    /// The style of a picture, `[1, H, W, 3]` in [0, 1].
    Style(&'a Tensor),
    /// What a text says.
    Text(&'a str),
}

/// Who scores pictures for a goal by these eyes, which are to be others than the guide's; none where they cannot tell.
///
/// Eyes that only name things tell of a box whether what is cut out there is the thing, and of a text whether the things and
/// places that it names are there. A foreground they do not see: it is what differs from the border ([`Contrast`]).
///
/// # Errors
/// When the goal is none that these eyes know, or the device fails.
pub async fn scorer(judge: &Rc<Eyes>, goal: Goal<'_>) -> Result<Option<Rc<dyn Guide>>> {
    let sees_places = judge.heat_cells().is_ok();
    Ok(match goal {
        Goal::Named(name) => Some(Rc::new(Naming::parse(judge, name)?)),
        Goal::Boxed(boxes) if sees_places => Some(Rc::new(Boxes::new(judge, boxes)?)),
        Goal::Boxed(boxes) => Some(Rc::new(Parts::new(judge, boxes)?)),
        Goal::Mask(mask) if sees_places => Some(Rc::new(Cutout::mask(judge, mask).await?)),
        Goal::Mask(mask) => Some(Rc::new(Contrast::new(mask))),
        Goal::Style(picture) => Some(Rc::new(Style::new(judge, picture, Trait::Gram).await?)),
        Goal::Text(text) => {
            let named = named(judge, text)?;
            (!named.0.is_empty()).then(|| Rc::new(named) as Rc<dyn Guide>)
        }
    })
}

/// The mean of several judgements.
struct All(Vec<Naming>);

/// The things and places that a text names, the longer names first: "sunflower" names no sun.
fn named(eyes: &Rc<Eyes>, text: &str) -> Result<All> {
    let mut rest = format!(
        " {} ",
        text.to_lowercase().replace([',', '.', ';', ':'], " ")
    );
    let questions = [Question::Thing, Question::Scene];
    let mut known: Vec<(Question, &String)> = questions
        .into_iter()
        .flat_map(|question| {
            eyes.names(question)
                .iter()
                .map(move |name| (question, name))
        })
        .collect();
    known.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    let mut found = Vec::new();
    for (question, name) in known {
        let spelled = format!(" {} ", name.to_lowercase());
        if rest.contains(&spelled) {
            rest = rest.replace(&spelled, "  ");
            found.push(Naming::new(eyes, question, name)?);
        }
    }
    Ok(All(found))
}

impl Guide for All {
    fn name(&self) -> &'static str {
        "named"
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        mean(self.0.iter().map(|naming| naming.loss(image)))
    }

    fn score(&self, image: &Tensor) -> Result<Tensor> {
        mean(self.0.iter().map(|naming| naming.score(image)))
    }
}

/// Parts of a picture that are named each by itself.
struct Parts {
    parts: Vec<([f32; 4], Naming)>,
}

impl Parts {
    fn new(eyes: &Rc<Eyes>, boxes: &[Boxed]) -> Result<Self> {
        if boxes.is_empty() {
            return Err(Error::Request("there is no box to judge".to_owned()));
        }
        let part = |boxed: &Boxed| {
            boxed.check()?;
            answer(eyes, Question::Thing, &boxed.thing)?;
            let naming = Naming::new(eyes, Question::Thing, &boxed.thing)?;
            Ok((boxed.bounds, naming))
        };
        let parts = boxes.iter().map(part).collect::<Result<_>>()?;
        Ok(Self { parts })
    }

    /// What `of` says of each part.
    fn each(
        &self,
        image: &Tensor,
        of: impl Fn(&Naming, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let [_, height, width, _] = image.dims();
        mean(
            self.parts
                .iter()
                .map(|([left, top, right, bottom], naming)| {
                    let [w, h] = [width as f32, height as f32];
                    // The least square around the box: things keep their shape.
                    let side = ((right - left) * w).max((bottom - top) * h).max(1.0);
                    let square = Crop {
                        left: ((left + right) * w - side) / 2.0,
                        top: ((top + bottom) * h - side) / 2.0,
                        sides: [side; 2],
                    };
                    of(naming, &square.cut(image, [SIZE_PX; 2]))
                }),
        )
    }
}

impl Guide for Parts {
    fn name(&self) -> &'static str {
        "parts"
    }

    fn loss(&self, image: &Tensor) -> Result<Tensor> {
        self.each(image, Naming::loss)
    }

    fn score(&self, image: &Tensor) -> Result<Tensor> {
        self.each(image, Naming::score)
    }
}

/// The mean of at least one `[B]`.
fn mean(all: impl ExactSizeIterator<Item = Result<Tensor>>) -> Result<Tensor> {
    let share = 1.0 / all.len() as f64;
    let mut sum: Option<Tensor> = None;
    for each in all {
        let each = each?.affine(share, 0.0);
        sum = Some(match sum {
            Some(sum) => sum.add(&each),
            None => each,
        });
    }
    Ok(sum.expect("there is something to judge"))
}
