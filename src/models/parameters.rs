//! Where a network's parameters come from.

use crate::{
    error::Result,
    tensor::{Device, Tensor},
};

/// What a parameter is for, which decides how it is laid out: checkpoints have their output axis first, engines last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Stored `[outputs, inputs / groups, kh, kw]`, handed over `[kh, kw, inputs / groups, outputs]`.
    Conv {
        /// Output channels.
        outputs: usize,
        /// Input channels of a group.
        inputs: usize,
        /// Height and width of the kernel.
        kernel: [usize; 2],
    },
    /// Stored `[outputs, inputs]` (or as a 1x1 convolution), handed over `[inputs, outputs]`.
    Linear {
        /// Output features.
        outputs: usize,
        /// Input features.
        inputs: usize,
    },
    /// A table `[rows, columns]`, handed over as it is.
    Table {
        /// Entries.
        rows: usize,
        /// Features of an entry.
        columns: usize,
    },
    /// A bias, or a norm's scale or shift, `[length]`.
    Vector(usize),
}

impl Kind {
    /// The shape in a checkpoint.
    pub fn stored(self) -> Vec<usize> {
        match self {
            Self::Conv {
                outputs,
                inputs,
                kernel: [kh, kw],
            } => vec![outputs, inputs, kh, kw],
            Self::Linear { outputs, inputs } => vec![outputs, inputs],
            Self::Table { rows, columns } => vec![rows, columns],
            Self::Vector(length) => vec![length],
        }
    }

    /// The shape in which its numbers go to a device to be arranged: a convolution's as one row for each output, because a kernel's
    /// three columns would be padded to four.
    pub fn uploaded(self) -> Vec<usize> {
        match self {
            Self::Conv {
                outputs,
                inputs,
                kernel: [kh, kw],
            } => vec![outputs, inputs * kh * kw],
            _ => self.stored(),
        }
    }

    /// How many numbers it holds.
    pub fn elements(self) -> usize {
        self.stored().iter().product()
    }

    /// An [uploaded](Self::uploaded) tensor, laid out for the engines.
    pub fn arranged(self, uploaded: &Tensor) -> Tensor {
        match self {
            Self::Conv {
                outputs,
                inputs,
                kernel: [kh, kw],
            } => uploaded
                .permute(&[1, 0])
                .reshape([inputs, kh * kw, outputs])
                .permute(&[1, 0, 2])
                .reshape([kh, kw, inputs, outputs]),
            Self::Linear { .. } => uploaded.permute(&[1, 0]),
            Self::Table { .. } | Self::Vector(_) => uploaded.clone(),
        }
    }

    /// Lays an uploaded tensor out for the engines, and keeps it on the device.
    ///
    /// # Errors
    /// When the device has no room for it.
    pub fn arrange(self, uploaded: &Tensor) -> Result<Tensor> {
        match self {
            Self::Conv { .. } | Self::Linear { .. } => self.arranged(uploaded).keep(),
            Self::Table { .. } | Self::Vector(_) => Ok(uploaded.clone()),
        }
    }
}

/// Where a network's parameters come from: a checkpoint, a generator, or nowhere yet.
pub trait Parameters {
    /// The device they are on.
    fn device(&self) -> &Device;

    /// Hands over the parameter of this diffusers name, laid out for the engines.
    ///
    /// # Errors
    /// When there is none of that name, or it has another shape.
    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor>;
}

/// A parameter that a network asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its diffusers name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
}

/// Notes what a network asks for, on a device without numbers.
pub struct Recorder {
    device: Device,
    needed: Vec<Needed>,
}

impl Recorder {
    /// The parameters that `build` asks for, in the order it does.
    ///
    /// # Errors
    /// What `build` fails with.
    pub fn record<T>(build: impl FnOnce(&mut dyn Parameters) -> Result<T>) -> Result<Vec<Needed>> {
        let mut recorder = Self {
            device: Device::dry(),
            needed: Vec::new(),
        };
        build(&mut recorder)?;
        Ok(recorder.needed)
    }

    /// What `build` builds, with parameters that have a shape and no numbers.
    ///
    /// # Errors
    /// What `build` fails with.
    pub fn build_on<T>(
        device: &Device,
        build: impl FnOnce(&mut dyn Parameters) -> Result<T>,
    ) -> Result<T> {
        let mut recorder = Self {
            device: device.clone(),
            needed: Vec::new(),
        };
        build(&mut recorder)
    }
}

impl Parameters for Recorder {
    fn device(&self) -> &Device {
        &self.device
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        self.needed.push(Needed {
            name: name.to_owned(),
            kind,
        });
        let shape = match kind {
            Kind::Conv {
                outputs,
                inputs,
                kernel: [kh, kw],
            } => vec![kh, kw, inputs, outputs],
            Kind::Linear { outputs, inputs } => vec![inputs, outputs],
            Kind::Table { .. } | Kind::Vector(_) => kind.stored(),
        };
        self.device.upload(shape)?.finish()
    }
}
