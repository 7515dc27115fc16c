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
};

/// Who judges finished pictures by one guide's goal.
pub struct Judge {
    /// What that guide is called.
    pub name: String,
    /// How much it counts among others.
    pub weight: f64,
    /// Another than the guide; where nobody else can tell, it judges what it pulled itself.
    other: Option<Rc<dyn Guide>>,
}

impl Judge {
    /// Whether it is another than the guide: who guided a picture praises it.
    pub fn is_held_out(&self) -> bool {
        self.other.is_some()
    }
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
            let opened = materials.eyes_once(&mut eyes, "scorer", device).await?;
            held_out(&guiding.target, opened, materials, size, device).await?
        } else {
            None
        };
        judges.push(Judge {
            name: aim.name.clone(),
            weight: guiding.weight,
            other,
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
        Target::Detection { boxes, .. } => Goal::Boxed(boxes),
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

/// What judges say of a picture of which the guides said `own`; greater is better.
///
/// # Errors
/// When one cannot look at pictures of this size, or the device fails.
pub async fn judged(
    judges: &[Judge],
    own: &[(String, f32)],
    picture: &Picture,
    device: &Device,
) -> Result<Vec<f32>> {
    let image = picture.to_unit(device);
    let mut verdicts = Vec::new();
    for (judge, (_, own)) in judges.iter().zip(own) {
        verdicts.push(match &judge.other {
            Some(other) => scored(&**other, &image).await?.read().await?[0],
            None => *own,
        });
    }
    Ok(verdicts)
}

/// All verdicts in one number, each as much as its guide counts.
pub fn together(judges: &[Judge], verdicts: &[f32]) -> f64 {
    let weighted = judges.iter().zip(verdicts);
    weighted
        .map(|(judge, verdict)| f64::from(*verdict) * judge.weight)
        .sum()
}
