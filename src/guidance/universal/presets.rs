//! Settings that belong together: the published recipes, the methods that followed, and what suits a person who waits.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    Along, Backward, Descent, Effect, Forward, Settings, Smoothing, Space, Through, Window,
};

/// Settings that belong together, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Forward guidance and recurrences as published, with a strength that suits pictures compared pixel by pixel.
    Reference,
    /// No gradient through the U-Net, few steps: seconds where the reference takes minutes.
    #[default]
    Fast,
    /// The published recipe for face identity.
    Face,
    /// The published recipe for segmentation.
    Segmentation,
    /// The published recipe for segmentation, where the prompt asks for a painting.
    Painting,
    /// The published recipe for object detection.
    Detection,
    /// The published recipe for style.
    Style,
    /// `FreeDoM` (Yu et al. 2023, <https://arxiv.org/abs/2303.09833>): a strength in the prompt's own units.
    Freedom,
    /// MPGD (He et al. 2023, <https://arxiv.org/abs/2311.16424>): the clean estimate moves, the U-Net is not differentiated.
    Mpgd,
    /// DPS (Chung et al. 2022, <https://arxiv.org/abs/2209.14687>): down the root of the mean square residual.
    Dps,
    /// LGD (Song et al. 2023, <https://proceedings.mlr.press/v202/song23k.html>): averages over noise on the estimate.
    Lgd,
    /// TFG (Ye et al. 2024, <https://arxiv.org/abs/2409.15761>): all of it at once.
    Tfg,
}

/// What a guide looks for, as far as settings depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pictures compared pixel by pixel.
    Pixels,
    /// A mean colour.
    Colour,
    /// Where there is something.
    Shape,
    /// Which things are where.
    Places,
    /// What a picture looks like, whatever it shows.
    Style,
    /// What a text says.
    Text,
    /// What a picture is called.
    Name,
    /// Whose face it is.
    Face,
    /// Whatever a network from a file says.
    Network,
}

impl Kind {
    /// Whether it is one of the small networks that know the default model's pictures.
    fn knows_pictures(self) -> bool {
        matches!(
            self,
            Self::Shape | Self::Places | Self::Style | Self::Text | Self::Name
        )
    }
}

/// A preset's settings, and the job's that go with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Which parts of universal guidance are used, and how strongly.
    pub settings: Settings,
    /// Steps of the sampler.
    pub steps: usize,
    /// Classifier-free guidance; the model's own where it is left open.
    pub cfg_scale: Option<f64>,
    /// Share of fresh noise in each step.
    pub eta: f64,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Reference,
        Self::Fast,
        Self::Face,
        Self::Segmentation,
        Self::Painting,
        Self::Detection,
        Self::Style,
        Self::Freedom,
        Self::Mpgd,
        Self::Dps,
        Self::Lgd,
        Self::Tfg,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Fast => "fast",
            Self::Face => "face",
            Self::Segmentation => "segmentation",
            Self::Painting => "painting",
            Self::Detection => "detection",
            Self::Style => "style",
            Self::Freedom => "freedom",
            Self::Mpgd => "mpgd",
            Self::Dps => "dps",
            Self::Lgd => "lgd",
            Self::Tfg => "tfg",
        }
    }

    /// Its settings for a kind of guide.
    ///
    /// The published recipes are those of
    /// <https://github.com/arpitbansal297/Universal-Guided-Diffusion/blob/ff82f88/README.md>.
    pub fn recipe(self, kind: Kind) -> Recipe {
        match self {
            Self::Reference => reference(kind),
            Self::Face => published(20_000.0, 2, 500, Some(7.5)),
            Self::Segmentation => published(400.0, 10, 500, Some(1.5)),
            Self::Painting => published(400.0, 10, 500, Some(2.0)),
            Self::Style => published(6.0, 6, 500, Some(3.0)),
            Self::Detection => {
                let mut recipe = published(100.0, 5, 250, Some(1.5));
                recipe.settings.through = Through::Uncond;
                recipe
            }
            Self::Fast => fast(kind),
            Self::Freedom => {
                let settings = Settings {
                    forward: Some(Forward {
                        strength: 0.2,
                        along: Along::Constant,
                        automatic: true,
                    }),
                    window: Window { from: 0.3, to: 0.7 },
                    recurrences: vec![3],
                    recurrence_window: Window { from: 0.4, to: 0.7 },
                    ..behind()
                };
                ancestral(settings, 5.0)
            }
            Self::Mpgd => {
                let settings = Settings {
                    backward: Some(plain(15.0, true, 1)),
                    window: Window { from: 0.3, to: 0.7 },
                    ..behind()
                };
                ancestral(settings, 5.0)
            }
            Self::Dps => {
                let settings = Settings {
                    forward: Some(forward(0.3)),
                    root: true,
                    ..behind()
                };
                ancestral(settings, 7.5)
            }
            Self::Lgd => {
                let settings = Settings {
                    forward: Some(forward(0.3)),
                    smoothing: Some(Smoothing {
                        deviation: 1.0,
                        samples: 4,
                    }),
                    ..behind()
                };
                ancestral(settings, 7.5)
            }
            Self::Tfg => {
                let settings = Settings {
                    forward: Some(Forward {
                        along: Along::Increase,
                        ..forward(0.25)
                    }),
                    backward: Some(Backward {
                        descent: Descent::Plain {
                            strength: 2.0,
                            along: Along::Increase,
                            automatic: false,
                        },
                        iterations: 4,
                        space: Space::Latents,
                    }),
                    smoothing: Some(Smoothing {
                        deviation: 0.1,
                        samples: 1,
                    }),
                    ..behind()
                };
                ancestral(settings, 7.5)
            }
        }
    }
}

fn forward(strength: f64) -> Forward {
    Forward {
        strength,
        along: Along::Constant,
        automatic: false,
    }
}

fn plain(strength: f64, automatic: bool, iterations: usize) -> Backward {
    Backward {
        descent: Descent::Plain {
            strength,
            along: Along::Constant,
            automatic,
        },
        iterations,
        space: Space::Latents,
    }
}

/// The published sampler, with its defects left out: the last turn's noise is drawn, and nothing is clipped.
fn published(strength: f64, recurrences: usize, steps: usize, cfg_scale: Option<f64>) -> Recipe {
    Recipe {
        settings: Settings {
            forward: Some(forward(strength)),
            recurrences: vec![recurrences],
            spare_draw: true,
            ..Settings::default()
        },
        steps,
        cfg_scale,
        eta: 0.0,
    }
}

/// What TFG and its kin have in common: the latents behind the step are moved.
fn behind() -> Settings {
    Settings {
        effect: Effect::Latents,
        ..Settings::default()
    }
}

fn ancestral(settings: Settings, cfg_scale: f64) -> Recipe {
    Recipe {
        settings,
        steps: 100,
        cfg_scale: Some(cfg_scale),
        eta: 1.0,
    }
}

/// Looks of guides that are small networks.
const LOOKS: usize = 4;

/// Published guidance with what suits each kind; the recipes that its authors give are presets of their own.
///
/// The gradients of small networks differ in size by orders of magnitude, from guide to guide and from step to step: no weight suits
/// them all, so that theirs are counted in units of what the prompt moves.
fn reference(kind: Kind) -> Recipe {
    let mut recipe = published(2000.0, 2, 50, None);
    if kind.knows_pictures() {
        recipe.settings.forward = Some(Forward {
            automatic: true,
            ..forward(1.5)
        });
        recipe.settings.recurrences = vec![4];
        recipe.settings.looks = LOOKS;
    }
    recipe
}

fn fast(kind: Kind) -> Recipe {
    let settings = if kind.knows_pictures() {
        Settings {
            backward: Some(Backward {
                descent: Descent::Plain {
                    // More of it pleases the eyes and no other: at 2.5 shapes and names were worse to whoever did not guide.
                    strength: if kind == Kind::Places { 1.0 } else { 1.5 },
                    along: Along::Noise,
                    automatic: true,
                },
                iterations: 1,
                space: Space::Latents,
            }),
            // What is left unguided takes away what pleases the guide alone.
            window: Window { from: 0.0, to: 0.6 },
            looks: LOOKS,
            ..Settings::default()
        }
    } else {
        Settings {
            backward: Some(plain(0.1, true, 3)),
            window: Window { from: 0.1, to: 0.9 },
            recurrences: vec![2],
            recurrence_window: Window { from: 0.3, to: 0.6 },
            ..behind()
        }
    };
    Recipe {
        settings,
        steps: 25,
        cfg_scale: None,
        eta: 0.0,
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|preset| preset.name() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no preset is called {text:?}: choose one of {names}")
        })
    }
}
