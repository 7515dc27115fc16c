//! Says what a file is, so that the wrong one is refused by name and with advice.

use super::{
    header::{Entry, Header},
    source::WeightSource,
};
use crate::error::{Error, Result};

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Weights that can be read here.
    Safetensors,
    /// PyTorch's zip of a pickle: `.ckpt`, `.pth`, `.pt`, `.bin`.
    Pickle,
    /// ggml's: `.gguf`.
    Gguf,
    /// A graph of operations: `.onnx`.
    Onnx,
    /// A page that came instead of the file.
    Html,
    /// The stand-in that git leaves for a large file it did not fetch.
    LfsPointer,
    /// Other text, such as a server's refusal or a description.
    Text,
    /// Nothing at all.
    Empty,
    /// None of these.
    Unknown,
}

impl Format {
    /// What a file is, by its length and first bytes; 64 of them are enough.
    pub fn of(head: &[u8], file_bytes: u64) -> Self {
        let text = String::from_utf8_lossy(head).trim_start().to_lowercase();
        if file_bytes == 0 {
            Self::Empty
        } else if head.starts_with(b"PK\x03\x04") || matches!(head, [0x80, 2..=5, ..]) {
            Self::Pickle
        } else if head.starts_with(b"GGUF") {
            Self::Gguf
        } else if text.starts_with("version https://git-lfs") {
            Self::LfsPointer
        } else if ["<!doctype", "<html", "<?xml"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            Self::Html
        } else if head.get(8) == Some(&b'{') {
            Self::Safetensors
        } else if matches!(head, [8, 1..=20, 0x12 | 0x3a, ..]) {
            // Field 1 of an ONNX ModelProto is its format's version, then comes its producer or graph.
            Self::Onnx
        } else if head
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'))
        {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// What a file is, read from its beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(source: &dyn WeightSource) -> Result<Self> {
        let len = source.size_bytes().await?;
        Ok(Self::of(&source.read(0..len.min(64)).await?, len))
    }

    /// Whether it is of tensors alone, which are read one by one: such a file may be gigabytes long.
    pub fn holds_tensors(self) -> bool {
        matches!(self, Self::Safetensors | Self::Pickle)
    }

    /// What is wrong with such a file and what to do; `None` when it can be read.
    pub fn problem(self) -> Option<&'static str> {
        match self {
            Self::Safetensors => None,
            Self::Pickle => Some(
                "it is a PyTorch pickle, which can run programs when it is opened: use the .safetensors file of the \
                 same model, which nearly every model page offers",
            ),
            Self::Gguf => Some("it is a GGUF file: use the .safetensors file of the same model"),
            Self::Onnx => Some(
                "it is an ONNX graph, which can guide a picture and not make one: use a .safetensors checkpoint",
            ),
            Self::Html => Some(
                "it is a web page, not weights: the download was answered with an error or a log-in page, fetch it \
                 again in a browser",
            ),
            Self::LfsPointer => {
                Some("it is a git-lfs pointer, not the file itself: run `git lfs pull` beside it")
            }
            Self::Text => Some(
                "it is text, not weights: open it, a download may have been answered with an error",
            ),
            Self::Empty => Some("it is empty: fetch it again"),
            Self::Unknown => Some("it is no safetensors file"),
        }
    }
}

/// Reads the first bytes of a file and refuses all but safetensors.
///
/// # Errors
/// When it cannot be read, or is something else; the text says what, and what to do.
pub async fn require_safetensors(source: &dyn WeightSource) -> Result<()> {
    match Format::read(source).await?.problem() {
        None => Ok(()),
        Some(problem) => Err(Error::Weights {
            place: source.place().to_owned(),
            problem: problem.to_owned(),
        }),
    }
}

/// A learnt word is one or a few vectors as wide as CLIP's, under a name of its own choice.
fn is_word(entry: &Entry) -> bool {
    matches!(entry.shape[..], [768] | [_, 768])
}

/// What a safetensors file holds, by the names and shapes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are the models; `Content::describe` has the words"
)]
pub enum Content {
    Sd1,
    Sd1Inpainting,
    Sd1InstructPix2Pix,
    Sd2,
    Sdxl,
    Sd3,
    Flux,
    Lora,
    TextualInversion,
    ControlNet,
    Unet,
    Vae,
    TinyVae,
    TextEncoder,
    Unknown,
}

impl Content {
    /// What a file holds.
    pub fn of(header: &Header) -> Self {
        let names = || header.entries.iter().map(|entry| entry.name.as_str());
        let any = |test: &dyn Fn(&str) -> bool| names().any(test);
        let starts = |prefix: &str| any(&|name| name.starts_with(prefix));
        let axis = |name: &str, axis: usize| {
            let shape = header.find(name).map(|entry| entry.shape.as_slice());
            shape.and_then(|shape| shape.get(axis)).copied()
        };
        let width = axis(
            "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight",
            1,
        );

        if any(&|name| name.contains("lora_") || name.contains("hada_") || name.contains(".lora."))
        {
            Self::Lora
        } else if starts("conditioner.embedders.") || starts("add_embedding.") {
            Self::Sdxl
        } else if starts("double_blocks.") || starts("model.diffusion_model.double_blocks.") {
            Self::Flux
        } else if starts("model.diffusion_model.joint_blocks.") || starts("joint_blocks.") {
            Self::Sd3
        } else if starts("control_model.")
            || starts("controlnet_")
            || starts("zero_convs.")
            || starts("input_hint_block.")
        {
            Self::ControlNet
        } else if starts("cond_stage_model.model.") || width == Some(1024) {
            Self::Sd2
        } else if starts("model.diffusion_model.") {
            match axis("model.diffusion_model.input_blocks.0.0.weight", 1) {
                Some(9) => Self::Sd1Inpainting,
                Some(8) => Self::Sd1InstructPix2Pix,
                _ => Self::Sd1,
            }
        } else if header.entries.len() <= 4 && header.entries.iter().all(is_word) {
            Self::TextualInversion
        } else {
            Self::alone(&starts)
        }
    }

    /// A network without the others.
    fn alone(starts: &dyn Fn(&str) -> bool) -> Self {
        if starts("down_blocks.") || starts("input_blocks.") {
            Self::Unet
        } else if starts("encoder.layers.") || starts("decoder.layers.") {
            Self::TinyVae
        } else if starts("decoder.") || starts("first_stage_model.") || starts("encoder.down") {
            Self::Vae
        } else if starts("text_model.") {
            Self::TextEncoder
        } else {
            Self::Unknown
        }
    }

    /// What it is, in words that follow "it is".
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Sd1 => "a Stable Diffusion 1.x checkpoint",
            Self::Sd1Inpainting => "a Stable Diffusion 1.x inpainting checkpoint",
            Self::Sd1InstructPix2Pix => "an InstructPix2Pix checkpoint",
            Self::Sd2 => "a Stable Diffusion 2.x checkpoint",
            Self::Sdxl => "a Stable Diffusion XL checkpoint",
            Self::Sd3 => "a Stable Diffusion 3 checkpoint",
            Self::Flux => "a FLUX checkpoint",
            Self::Lora => "a LoRA, which changes a checkpoint and is none",
            Self::TextualInversion => "a textual inversion, a learnt word and no checkpoint",
            Self::ControlNet => "a ControlNet, which steers a checkpoint and is none",
            Self::Unet => "a U-Net alone",
            Self::Vae => "an autoencoder (VAE) alone",
            Self::TinyVae => "a tiny autoencoder (TAESD) alone",
            Self::TextEncoder => "a text encoder alone",
            Self::Unknown => "safetensors of a model that is not known here",
        }
    }

    /// What to do instead; `None` when it is what Guidestar runs.
    pub const fn advice(self) -> Option<&'static str> {
        match self {
            Self::Sd1 => None,
            Self::Sd1Inpainting | Self::Sd1InstructPix2Pix => {
                Some("its U-Net takes a second picture: use the plain checkpoint it was made from")
            }
            Self::Sd2 | Self::Sdxl | Self::Sd3 | Self::Flux | Self::Unknown => Some(
                "use a Stable Diffusion 1.x checkpoint (1.4, 1.5 and what was trained from them)",
            ),
            Self::Lora | Self::TextualInversion | Self::ControlNet => {
                Some("use the Stable Diffusion 1.x checkpoint it was made for")
            }
            Self::Unet | Self::Vae | Self::TinyVae | Self::TextEncoder => Some(
                "use the folder that holds unet/, vae/ and text_encoder/, or a checkpoint in a single file",
            ),
        }
    }

    /// Refuses all but a Stable Diffusion 1.x checkpoint.
    ///
    /// # Errors
    /// When it is anything else; the text says what, and what to do.
    pub fn require_sd1(self, place: &str) -> Result<()> {
        match self.advice() {
            None => Ok(()),
            Some(advice) => Err(Error::Weights {
                place: place.to_owned(),
                problem: format!("it is {}: {advice}", self.describe()),
            }),
        }
    }
}
