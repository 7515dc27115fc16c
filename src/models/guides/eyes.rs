//! A small convolutional network with a head for each question that can be asked of a picture.

use super::unit;
use crate::{
    error::{Error, Result},
    models::{
        Parameters,
        config::EyesConfig,
        layers::{Conv3x3, Linear, Scope},
    },
    tensor::{Conv, Device, Interpolation, Tensor, Unary},
};

/// Width and height in which pictures are looked at: what is finer is not what a guide should pull at.
pub const SIZE_PX: usize = 64;

/// What can be asked of a picture and is answered by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Which thing it shows.
    Thing,
    /// The colour of its plain background.
    Colour,
    /// The place it shows.
    Scene,
    /// The colour that the thing is dyed.
    Dye,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Thing, Self::Colour, Self::Scene, Self::Dye];

    /// Its name in configs and checkpoints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thing => "thing",
            Self::Colour => "colour",
            Self::Scene => "scene",
            Self::Dye => "dye",
        }
    }
}

/// The convolutions that features are made by, each map half the size of the one before.
struct Trunk {
    down: Vec<Conv3x3>,
    refine: Vec<Conv3x3>,
}

impl Trunk {
    fn new(mut scope: Scope<'_>, widths: &[usize; 4]) -> Result<Self> {
        let halving = Conv {
            stride: [2, 2],
            ..Conv::padded(1)
        };
        let mut inputs = 3;
        let (mut down, mut refine) = (Vec::new(), Vec::new());
        for (stage, &width) in widths.iter().enumerate() {
            let name = scope.at(format!("down.{stage}"));
            down.push(Conv3x3::shaped(name, inputs, width, halving, true)?);
            if stage > 0 {
                let name = scope.at(format!("refine.{}", stage - 1));
                refine.push(Conv3x3::new(name, width, width)?);
            }
            inputs = width;
        }
        Ok(Self { down, refine })
    }

    fn forward(&self, image: &Tensor) -> Vec<Tensor> {
        let mut x = image.affine(2.0, -1.0);
        let mut stages = Vec::new();
        for (stage, down) in self.down.iter().enumerate() {
            x = down.forward(&x).relu();
            if stage > 0 {
                x = self.refine[stage - 1].forward(&x).add(&x).relu();
            }
            stages.push(x.clone());
        }
        stages
    }
}

/// The heads that say where things are.
struct Places {
    lateral: Vec<Linear>,
    smooth: Conv3x3,
    mask: Linear,
    heat: Linear,
    boxes: Linear,
}

impl Places {
    fn new(scope: &mut Scope<'_>, config: &EyesConfig) -> Result<Self> {
        let lateral = config.lateral;
        let sides = config.widths[1..].iter().enumerate();
        Ok(Self {
            lateral: sides
                .map(|(stage, &width)| {
                    Linear::new(scope.at(format!("lateral.{stage}")), width, lateral)
                })
                .collect::<Result<_>>()?,
            smooth: Conv3x3::new(scope.at("smooth"), lateral, lateral)?,
            mask: Linear::new(scope.at("mask"), lateral, 4)?,
            heat: Linear::new(scope.at("heat"), lateral, config.names.thing.len())?,
            boxes: Linear::new(scope.at("box"), lateral, 4)?,
        })
    }

    /// The coarse maps brought to the finest one's size, a quarter of the picture's, and added to it.
    fn forward(&self, stages: &[Tensor]) -> Tensor {
        let mut x = self.lateral[2].forward(&stages[3]);
        for stage in [2, 1] {
            let side = self.lateral[stage - 1].forward(&stages[stage]);
            let [_, h, w, _] = side.dims();
            x = x.resize([h, w], Interpolation::Nearest, false).add(&side);
        }
        self.smooth.forward(&x.relu()).relu()
    }
}

/// Eyes that see what the default model draws.
pub struct Eyes {
    device: Device,
    config: EyesConfig,
    trunk: Trunk,
    names: [Option<Linear>; 4],
    embed: Option<Linear>,
    places: Option<Places>,
}

impl Eyes {
    /// Builds the eyes of this config.
    ///
    /// # Errors
    /// When a parameter is missing or does not fit.
    pub fn new(config: &EyesConfig, parameters: &mut dyn Parameters) -> Result<Self> {
        let device = parameters.device().clone();
        let mut scope = Scope::root(parameters);
        let pooled = 2 * config.widths[3];
        let trunk = Trunk::new(scope.at("trunk"), &config.widths)?;
        let mut head = |question: Question| {
            let name = format!("names.{}", question.name());
            let outputs = names(config, question).len();
            (outputs > 0)
                .then(|| Linear::new(scope.at(name), pooled, outputs))
                .transpose()
        };
        let [thing, colour, scene, dye] = Question::ALL;
        let heads = [head(thing)?, head(colour)?, head(scene)?, head(dye)?];
        Ok(Self {
            device,
            config: config.clone(),
            trunk,
            names: heads,
            embed: (config.embedding > 0)
                .then(|| Linear::new(scope.at("embed"), pooled, config.embedding))
                .transpose()?,
            places: (config.lateral > 0)
                .then(|| Places::new(&mut scope, config))
                .transpose()?,
        })
    }

    /// What they were built from.
    pub fn config(&self) -> &EyesConfig {
        &self.config
    }

    /// Where they are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Cells along each side of the mask they give.
    ///
    /// # Errors
    /// When they only name things.
    pub fn mask_cells(&self) -> Result<usize> {
        self.heat_cells().map(|cells| 2 * cells)
    }

    /// Cells along each side of the heat maps and boxes they give.
    ///
    /// # Errors
    /// When they only name things.
    pub fn heat_cells(&self) -> Result<usize> {
        match self.places {
            Some(_) => Ok(SIZE_PX / 4),
            None => Err(Error::Request(
                "these eyes only name things: take some that say where things are".to_owned(),
            )),
        }
    }

    /// Numbers of an embedding.
    ///
    /// # Errors
    /// When they have none.
    pub fn embedding_width(&self) -> Result<usize> {
        match self.config.embedding {
            0 => Err(Error::Request(
                "these eyes have no embedding: take some that were trained with texts".to_owned(),
            )),
            width => Ok(width),
        }
    }

    /// Whether there is a question that they answer by a name; those that know people again have none.
    pub fn answers_questions(&self) -> bool {
        self.names.iter().any(Option::is_some)
    }

    /// The answers to a question, in the order of the outputs.
    pub fn names(&self, question: Question) -> &[String] {
        names(&self.config, question)
    }

    /// Looks at pictures, which are resized to 64 by 64 first.
    ///
    /// # Shapes
    /// - `image`: `[B, H, W, 3]` in [0, 1]
    pub fn look(&self, image: &Tensor) -> Seen<'_> {
        let image = image.resize([SIZE_PX; 2], Interpolation::Bilinear, true);
        Seen {
            eyes: self,
            stages: self.trunk.forward(&image),
        }
    }
}

fn names(config: &EyesConfig, question: Question) -> &[String] {
    match question {
        Question::Thing => &config.names.thing,
        Question::Colour => &config.names.colour,
        Question::Scene => &config.names.scene,
        Question::Dye => &config.names.dye,
    }
}

/// Pictures that were looked at. Each answer is computed when it is asked for.
pub struct Seen<'a> {
    eyes: &'a Eyes,
    stages: Vec<Tensor>,
}

impl Seen<'_> {
    /// The feature maps, finest first, for a guide of style.
    ///
    /// # Shapes
    /// - returns four of `[B, 32, 32, C]`, `[B, 16, 16, C]`, `[B, 8, 8, C]`, `[B, 4, 4, C]`
    pub fn stages(&self) -> &[Tensor] {
        &self.stages
    }

    /// What is in the pictures, wherever it is: mean and greatest of the coarsest map.
    ///
    /// # Shapes
    /// - returns `[B, 2 C]`
    pub fn pooled(&self) -> Tensor {
        let last = &self.stages[3];
        let [batch, _, _, channels] = last.dims();
        let mean = last.mean(&[1, 2]).reshape([batch, channels]);
        let greatest = last.greatest(&[1, 2]).reshape([batch, channels]);
        Tensor::concat(&[&mean, &greatest], 1)
    }

    /// How well each name answers a question, before the softmax.
    ///
    /// # Shapes
    /// - returns `[B, names]`
    ///
    /// # Panics
    /// When these eyes know no answer to it.
    pub fn logits(&self, question: Question) -> Tensor {
        let head = self.eyes.names[question as usize].as_ref();
        head.expect("eyes that answer this question")
            .forward(&self.pooled())
    }

    /// What a text of the same meaning, or a portrait of the same person, has for an embedding, 1 long.
    ///
    /// # Shapes
    /// - returns `[B, embedding]`
    ///
    /// # Panics
    /// When these eyes have no embedding.
    pub fn embedding(&self) -> Tensor {
        let embed = self.eyes.embed.as_ref();
        unit(
            &embed
                .expect("eyes with an embedding")
                .forward(&self.pooled()),
        )
    }

    /// Where there is a thing and where background, before the sigmoid.
    ///
    /// # Shapes
    /// - returns `[B, 32, 32, 1]`
    ///
    /// # Panics
    /// When these eyes only name things.
    pub fn mask(&self) -> Tensor {
        let places = self.places();
        let quarters = places.mask.forward(&places.forward(&self.stages));
        let [batch, h, w, _] = quarters.dims();
        let quarters = quarters.reshape([batch, h, w, 2, 2]);
        quarters
            .permute(&[0, 1, 3, 2, 4])
            .reshape([batch, 2 * h, 2 * w, 1])
    }

    /// Where each thing has its centre, before the sigmoid.
    ///
    /// # Shapes
    /// - returns `[B, 16, 16, things]`
    ///
    /// # Panics
    /// When these eyes only name things.
    pub fn heat(&self) -> Tensor {
        let places = self.places();
        places.heat.forward(&places.forward(&self.stages))
    }

    /// The box of a thing that has its centre in a cell: where in the cell the centre is (x, y), then width and
    /// height as parts of the picture's.
    ///
    /// # Shapes
    /// - returns `[B, 16, 16, 4]` in [0, 1]
    ///
    /// # Panics
    /// When these eyes only name things.
    pub fn boxes(&self) -> Tensor {
        let places = self.places();
        let boxes = places.boxes.forward(&places.forward(&self.stages));
        boxes.unary(Unary::Sigmoid)
    }

    fn places(&self) -> &Places {
        let places = self.eyes.places.as_ref();
        places.expect("eyes that see where things are")
    }
}
