//! The guides that come with the program, as judges of what the default model draws.

use super::Features;
use crate::{
    error::Result,
    models::guides::{Eyes, Question, TextTower},
    picture::Picture,
    tensor::{Device, Tensor},
    tokenizer::Tokenizer,
    weights::{Files, guides},
};

/// Which of the eyes' feature maps shows a layout: 16 x 16 places, fine enough for an outline and already about things.
const LAYOUT_STAGE: usize = 1;

/// Looks at pictures of things on plain colours, as the default model draws them; of photographs it knows little.
///
/// What a picture shows is said by the scorer, which guides nothing, so that nobody praises what he drew himself; texts and layouts
/// are the eyes' to judge, because the scorer knows neither.
pub struct Judge {
    device: Device,
    eyes: Eyes,
    scorer: Eyes,
    texts: TextTower,
    tokenizer: Tokenizer,
}

/// A name, and how sure the judge is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// Between 0 and 1.
    pub probability: f64,
}

/// What a judge says of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// What it most likely shows.
    pub thing: Named,
    /// The colour that its background most likely has.
    pub colour: Named,
    /// How well text and picture agree: 100 times the cosine of their embeddings, and 0 where that is less
    /// (Hessel et al. 2021, <https://arxiv.org/abs/2104.08718>, whose embeddings are CLIP's).
    pub text_score: Option<f64>,
    /// How sure the judge is of the thing that the text names.
    pub thing_confidence: Option<f64>,
    /// How sure it is of the colour that the text names.
    pub colour_confidence: Option<f64>,
}

impl Judge {
    /// Brings guides to a device: those in `files`, whose texts are cut into the words of `tokenizer`.
    ///
    /// # Errors
    /// When a file is missing or not what it should be, or the device has no room.
    pub async fn open(device: &Device, files: &dyn Files, tokenizer: Tokenizer) -> Result<Self> {
        Ok(Self {
            eyes: guides::eyes(files, "eyes", device).await?,
            scorer: guides::eyes(files, "scorer", device).await?,
            texts: guides::text_tower(files, device).await?,
            tokenizer,
            device: device.clone(),
        })
    }

    /// Says what a picture shows, and how well that is what a text says.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn look(&self, picture: &Picture, text: Option<&str>) -> Result<Opinion> {
        let image = picture.to_unit(&self.device);
        let seen = self.scorer.look(&image);
        let mut shares = Vec::new();
        for question in [Question::Thing, Question::Colour] {
            shares.push(softmax(&seen.logits(question).read().await?));
        }
        let text_score = match text {
            Some(text) => Some(
                self.score(&self.eyes.look(&image).embedding(), text)
                    .await?,
            ),
            None => None,
        };
        let confidence = |question: Question, shares: &[f64]| {
            let at = mentioned(self.scorer.names(question), question, text?)?;
            Some(shares[at])
        };
        Ok(Opinion {
            thing: best(self.scorer.names(Question::Thing), &shares[0]),
            colour: best(self.scorer.names(Question::Colour), &shares[1]),
            text_score,
            thing_confidence: confidence(Question::Thing, &shares[0]),
            colour_confidence: confidence(Question::Colour, &shares[1]),
        })
    }

    /// What the judge sees in each place of a picture, for its layout.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn features(&self, picture: &Picture) -> Result<Features> {
        let seen = self.eyes.look(&picture.to_unit(&self.device));
        Features::read(&seen.stages()[LAYOUT_STAGE]).await
    }

    async fn score(&self, picture: &Tensor, text: &str) -> Result<f64> {
        let tokens = self.tokenizer.encode(text);
        let text = self.texts.embed(&[tokens.ids], &[tokens.used + 1]);
        let cosine = text.matmul_transposed(picture, None).read().await?[0];
        Ok(100.0 * f64::from(cosine).max(0.0))
    }
}

/// The name with the greatest share.
fn best(names: &[String], shares: &[f64]) -> Named {
    let best = (0..shares.len()).max_by(|&a, &b| shares[a].total_cmp(&shares[b]));
    let best = best.expect("every question has answers");
    Named {
        name: names[best].clone(),
        probability: shares[best],
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f32::MIN, f32::max);
    let raised: Vec<f64> = logits
        .iter()
        .map(|&x| f64::from(x - greatest).exp())
        .collect();
    let sum: f64 = raised.iter().sum();
    raised.iter().map(|x| x / sum).collect()
}

/// Which of the names a text mentions: the longest, and of colours the last, since "a red apple on blue" is on blue.
fn mentioned(names: &[String], question: Question, text: &str) -> Option<usize> {
    let words = |text: &str| {
        let letters = text.to_lowercase();
        let parts = letters
            .split(|c: char| !c.is_alphanumeric())
            .filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let said = words(text);
    let found = names.iter().enumerate().filter_map(|(at, name)| {
        let name = words(name);
        let place = said.windows(name.len()).rposition(|part| part == name)?;
        Some((at, name.len(), place))
    });
    let best = match question {
        Question::Colour | Question::Dye => found.max_by_key(|&(_, _, place)| place),
        Question::Thing | Question::Scene => found.max_by_key(|&(_, length, _)| length),
    };
    best.map(|(at, ..)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_names_is_found_in_it() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let things = names(&["star", "red apple", "red heart", "car", "carrot"]);
        let thing = |text| mentioned(&things, Question::Thing, text);
        assert_eq!(thing("A red apple, on a blue background"), Some(1));
        assert_eq!(thing("a carrot"), Some(4));
        assert_eq!(thing("starry cars"), None);
        let colours = names(&["red", "blue"]);
        let colour = |text| mentioned(&colours, Question::Colour, text);
        assert_eq!(colour("a red apple on a blue background"), Some(1));
        assert_eq!(colour("a lion on red"), Some(0));
        assert_eq!(colour("a lion"), None);
    }

    #[test]
    fn shares_add_up_to_one() {
        let shares = softmax(&[1000.0, 1000.0, 0.0]);
        assert!((shares[0] - 0.5).abs() < 1e-12 && shares[2] < 1e-12);
    }
}
