//! The flags of techniques that steer the sampling itself.

use clap::{Args, ValueEnum};

use crate::{
    diffusion::Window,
    error::{Error, Result},
    guidance::{
        ApgSettings, FreeUSettings, Gating, PagSettings, SagPreset, SagSettings, SegSettings,
    },
    models::unet::Site,
    session::Job,
};

/// Flags of techniques that steer the sampling itself.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Steering the sampling")]
pub struct Steering {
    /// Self-attention guidance: how strongly; 0.75 is usual.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub sag_scale: Option<f64>,
    /// Deviation of its blur, in latents [default: 1].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub sag_sigma: Option<f64>,
    /// Width of its blur's kernel, odd [default: 9].
    #[arg(long, value_name = "N")]
    pub sag_kernel: Option<usize>,
    /// It blurs what gets more than so many times the average attention [default: 1].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub sag_threshold: Option<f64>,
    /// The self-attention it listens to [default: `mid_block.attentions.0`].
    #[arg(long, value_name = "LAYER")]
    pub sag_layer: Option<Site>,
    /// The steps it acts in: 0.8, 0.2..0.8, or 0..=40 in steps [default: all].
    #[arg(long, value_name = "WINDOW")]
    pub sag_window: Option<Window>,
    /// What the other settings of SAG are when they are left out: diffusers (0.75, sigma 1) or comfyui (0.5, sigma 2).
    #[arg(long, value_enum)]
    pub sag_preset: Option<SagPresetFlag>,
    /// Perturbed-attention guidance: how strongly; 3 is usual.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub pag_scale: Option<f64>,
    /// Taken from its scale for each timestep below 1000 [default: 0].
    #[arg(long, value_name = "X", requires = "pag_scale")]
    pub pag_adaptive: Option<f64>,
    /// A self-attention it perturbs; repeat for more [default: `mid_block.attentions.0`].
    #[arg(long, value_name = "LAYER", requires = "pag_scale")]
    pub pag_layer: Vec<Site>,
    /// The steps it acts in, written as for SAG [default: all].
    #[arg(long, value_name = "WINDOW", requires = "pag_scale")]
    pub pag_window: Option<Window>,
    /// Smoothed-energy guidance: deviation of the blur; 100 is usual, 10000 and more is the mean.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub seg_sigma: Option<f64>,
    /// How strongly it guides [default: 3].
    #[arg(
        long,
        value_name = "X",
        requires = "seg_sigma",
        allow_negative_numbers = true
    )]
    pub seg_scale: Option<f64>,
    /// A self-attention it perturbs; repeat for more [default: `mid_block.attentions.0`].
    #[arg(long, value_name = "LAYER", requires = "seg_sigma")]
    pub seg_layer: Vec<Site>,
    /// The steps it acts in, written as for SAG [default: all].
    #[arg(long, value_name = "WINDOW", requires = "seg_sigma")]
    pub seg_window: Option<Window>,
    /// `FreeU`, with its b1,b2,s1,s2 [default: 1.5,1.6,0.9,0.2].
    #[arg(long, value_name = "B1,B2,S1,S2", num_args = 0..=1, default_missing_value = "1.5,1.6,0.9,0.2",
        require_equals = true, value_delimiter = ',')]
    pub freeu: Vec<f64>,
    /// Its version [default: 1].
    #[arg(long, value_name = "1|2", requires = "freeu")]
    pub freeu_version: Option<u8>,
    /// Which layers it changes [default: stages].
    #[arg(long, value_enum, requires = "freeu")]
    pub freeu_gating: Option<GatingFlag>,
    /// Share by which the spread of what is guided returns to the prompt's, 0 to 1; 0.7 is usual.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub cfg_rescale: Option<f64>,
    /// Adaptive projected guidance: the longest difference; 15 is usual, 0 sets no limit.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub apg_norm: Option<f64>,
    /// Share kept of what is parallel to the prompt's prediction [default: 1].
    #[arg(
        long,
        value_name = "X",
        requires = "apg_norm",
        allow_negative_numbers = true
    )]
    pub apg_eta: Option<f64>,
    /// Share of earlier differences that is added [default: 0].
    #[arg(
        long,
        value_name = "X",
        requires = "apg_norm",
        allow_negative_numbers = true
    )]
    pub apg_momentum: Option<f64>,
}

/// Spellings of [`SagPreset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SagPresetFlag {
    /// Scale 0.75, sigma 1.
    Diffusers,
    /// Scale 0.5, sigma 2.
    Comfyui,
}

impl From<SagPresetFlag> for SagPreset {
    fn from(flag: SagPresetFlag) -> Self {
        match flag {
            SagPresetFlag::Diffusers => Self::Diffusers,
            SagPresetFlag::Comfyui => Self::Comfyui,
        }
    }
}

/// Spellings of [`Gating`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GatingFlag {
    /// The first two blocks of the way up, as in diffusers.
    Stages,
    /// By the backbone's channels, as its author has it.
    Channels,
}

impl From<GatingFlag> for Gating {
    fn from(flag: GatingFlag) -> Self {
        match flag {
            GatingFlag::Stages => Self::Stages,
            GatingFlag::Channels => Self::Channels,
        }
    }
}

impl Steering {
    /// The settings of SAG, the preset's where they are left out.
    pub fn sag(&self) -> SagSettings {
        let preset = self.sag_preset.unwrap_or(SagPresetFlag::Diffusers);
        let preset = SagPreset::from(preset).settings();
        SagSettings {
            scale: self.sag_scale.unwrap_or(preset.scale),
            sigma: self.sag_sigma.unwrap_or(preset.sigma),
            kernel: self.sag_kernel.unwrap_or(preset.kernel),
            threshold: self.sag_threshold.unwrap_or(preset.threshold),
            layer: self.sag_layer.unwrap_or(preset.layer),
            window: self.sag_window.unwrap_or(preset.window),
        }
    }

    /// Whether any flag of SAG was given.
    fn has_sag(&self) -> bool {
        self.sag_scale.is_some()
            || self.sag_sigma.is_some()
            || self.sag_kernel.is_some()
            || self.sag_threshold.is_some()
            || self.sag_layer.is_some()
            || self.sag_window.is_some()
            || self.sag_preset.is_some()
    }

    /// Puts what these flags ask for into a job.
    ///
    /// # Errors
    /// When a list has not as many numbers as it needs.
    pub fn apply(&self, job: &mut Job) -> Result<()> {
        if self.has_sag() {
            job.sag = Some(self.sag());
        }
        if let Some(scale) = self.pag_scale {
            let usual = PagSettings::default();
            job.pag = Some(PagSettings {
                scale,
                adaptive: self.pag_adaptive.unwrap_or(usual.adaptive),
                layers: some_or(&self.pag_layer, usual.layers),
                window: self.pag_window.unwrap_or(usual.window),
            });
        }
        if let Some(sigma) = self.seg_sigma {
            let usual = SegSettings::default();
            job.seg = Some(SegSettings {
                scale: self.seg_scale.unwrap_or(usual.scale),
                sigma,
                layers: some_or(&self.seg_layer, usual.layers),
                window: self.seg_window.unwrap_or(usual.window),
            });
        }
        job.freeu = self.freeu()?;
        job.cfg_rescale = self.cfg_rescale.unwrap_or(0.0);
        if let Some(norm) = self.apg_norm {
            let usual = ApgSettings::default();
            job.apg = Some(ApgSettings {
                eta: self.apg_eta.unwrap_or(usual.eta),
                norm,
                momentum: self.apg_momentum.unwrap_or(usual.momentum),
            });
        }
        Ok(())
    }

    fn freeu(&self) -> Result<Option<FreeUSettings>> {
        let usual = FreeUSettings::default();
        match self.freeu[..] {
            [] => Ok(None),
            [b1, b2, s1, s2] => Ok(Some(FreeUSettings {
                b1,
                b2,
                s1,
                s2,
                version: self.freeu_version.unwrap_or(usual.version),
                gating: self.freeu_gating.map_or(usual.gating, Into::into),
            })),
            _ => Err(Error::Request(format!(
                "--freeu takes four numbers, b1,b2,s1,s2, and was given {}: 1.5,1.6,0.9,0.2 is usual",
                self.freeu.len()
            ))),
        }
    }
}

fn some_or(given: &[Site], usual: Vec<Site>) -> Vec<Site> {
    if given.is_empty() {
        usual
    } else {
        given.to_vec()
    }
}
