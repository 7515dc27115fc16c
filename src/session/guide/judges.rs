//! Who judges finished pictures: somebody who did not guide them, where there is one.

use std::rc::Rc;

use super::{Guiding, Materials, Reading, Target, aims::white};
use crate::{
    error::Result,
    guidance::{
        network::matched::{Goal, Trait, scorer},
        universal::{Aim, Guide, scored},
    },
    models::guides::Eyes,
    picture::Picture,
    session::Size,
    tensor::Device,
    weights::guides as networks,
};

/// Who judges finished pictures by one guide's goal.
pub struct Judge {
    /// What that guide is called.
    pub name: String,
    /// How much it counts among others.
    pub weight: f64,
    /// Whether it is another than the guide: who guided a picture praises it.
    pub is_held_out: bool,
    by: Rc<dyn Guide>,
}

/// What a judge says of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What the guide is called whose goal it is.
    pub name: String,
    /// Greater is better.
    pub score: f32,
    /// Whether it is another's than the guide's.
    pub is_held_out: bool,
}

/// A judge for each guide: other eyes where they can tell, what differs from the border for shapes, else the guide itself.
///
/// # Errors
/// When something they are made of is missing, or the device has no room.
pub async fn judges(
    guides: &[Guiding],
    aims: &[Aim],
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Vec<Judge>> {
    let mut eyes: Option<Rc<Eyes>> = None;
    let mut judges = Vec::new();
    for (guiding, aim) in guides.iter().zip(aims) {
        let other = if guiding.target.needs_eyes() {
            let opened = match eyes.take() {
                Some(opened) => opened,
                None => Rc::new(networks::eyes(materials.matched()?, "scorer", device).await?),
            };
            let opened = eyes.insert(opened);
            held_out(&guiding.target, opened, materials, size, device).await?
        } else {
            None
        };
        judges.push(Judge {
            name: aim.name.clone(),
            weight: guiding.weight,
            is_held_out: other.is_some(),
            by: other.unwrap_or_else(|| Rc::clone(&aim.guide)),
        });
    }
    Ok(judges)
}

async fn held_out(
    target: &Target,
    eyes: &Rc<Eyes>,
    materials: &Materials,
    size: Size,
    device: &Device,
) -> Result<Option<Rc<dyn Guide>>> {
    let image;
    let goal = match target {
        Target::Class { name } => Goal::Named(name),
        Target::Text { text, .. } => Goal::Text(text),
        Target::Detection { boxes } => Goal::Boxed(boxes),
        Target::Segmentation {
            picture, reading, ..
        } => match reading {
            Reading::Mask => {
                image = white(materials.picture(picture)?, &picture.path, size, device)?;
                Goal::Mask(&image)
            }
            Reading::Picture => return Ok(None),
        },
        Target::Style { picture, by, .. } if *by == Trait::Gram => {
            image = materials.picture(picture)?.to_unit(device);
            Goal::Style(&image)
        }
        _ => return Ok(None),
    };
    scorer(eyes, goal).await
}

/// What judges say of a picture.
///
/// # Errors
/// When one cannot look at pictures of this size, or the device fails.
pub async fn judged(judges: &[Judge], picture: &Picture, device: &Device) -> Result<Vec<Verdict>> {
    let image = picture.to_unit(device);
    let mut verdicts = Vec::new();
    for judge in judges {
        let score = scored(&*judge.by, &image).await?.read().await?[0];
        verdicts.push(Verdict {
            name: judge.name.clone(),
            score,
            is_held_out: judge.is_held_out,
        });
    }
    Ok(verdicts)
}

/// All verdicts in one number, each as much as its guide counts.
pub fn together(judges: &[Judge], verdicts: &[Verdict]) -> f64 {
    let weighted = judges.iter().zip(verdicts);
    weighted
        .map(|(judge, verdict)| f64::from(verdict.score) * judge.weight)
        .sum()
}
