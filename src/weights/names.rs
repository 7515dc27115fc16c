//! The names tensors go by: diffusers' are the ones the models ask for, and this is the only place that knows others.
//!
//! A checkpoint in one file follows the original code (LDM, <https://github.com/CompVis/latent-diffusion>), whose blocks
//! are numbered through. SD 1.x always has four levels of two layers, so both ways are one table of prefixes.

use std::sync::LazyLock;

/// A network of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Predicts the noise.
    Unet,
    /// Turns pictures into latents and back.
    Vae,
    /// Turns a prompt into what the U-Net attends to.
    TextEncoder,
}

impl Part {
    /// All of them, in the order they are listed to a person.
    pub const ALL: [Self; 3] = [Self::TextEncoder, Self::Unet, Self::Vae];

    /// Its folder in the diffusers layout.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::Vae => "vae",
            Self::TextEncoder => "text_encoder",
        }
    }

    /// The name of its file of weights in that folder, without endings.
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Unet | Self::Vae => "diffusion_pytorch_model",
            Self::TextEncoder => "model",
        }
    }

    /// What stands before its names in a single file; the first is what we write.
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Unet => &["model.diffusion_model."],
            Self::Vae => &["first_stage_model.", "vae."],
            Self::TextEncoder => &["cond_stage_model.transformer."],
        }
    }

    fn table(self) -> &'static [(String, String)] {
        match self {
            Self::Unet => &UNET,
            Self::Vae => &VAE,
            Self::TextEncoder => &[],
        }
    }
}

/// The part and the diffusers name of a tensor in a single file; `None` for what no network of ours asks for: noise
/// schedules, averages, safety checkers.
pub fn from_single_file(name: &str) -> Option<(Part, String)> {
    let (part, inner) = Part::ALL.into_iter().find_map(|part| {
        let inner = part
            .prefixes()
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        inner.map(|inner| (part, inner))
    })?;
    let renamed = part
        .table()
        .iter()
        .find_map(|(ldm, diffusers)| swap_prefix(inner, ldm, diffusers));
    canonical(part, renamed.as_deref().unwrap_or(inner)).map(|name| (part, name))
}

/// The name in a single file of a tensor of this diffusers name.
pub fn to_single_file(part: Part, name: &str) -> String {
    let renamed = part
        .table()
        .iter()
        .find_map(|(ldm, diffusers)| swap_prefix(name, diffusers, ldm));
    format!(
        "{}{}",
        part.prefixes()[0],
        renamed.as_deref().unwrap_or(name)
    )
}

/// The averaged copy of a tensor in a single file: the first component goes, and so do all dots.
///
/// Written so by <https://github.com/CompVis/latent-diffusion/blob/a506df5/ldm/modules/ema.py>.
pub fn averaged(name: &str) -> Option<String> {
    let (_, inner) = name.split_once('.')?;
    Some(format!("{AVERAGED}{}", inner.replace('.', "")))
}

/// What stands before the names of averaged copies.
pub const AVERAGED: &str = "model_ema.";

/// The name a tensor goes by today, from the names it has had; `None` for buffers that are not weights.
pub fn canonical(part: Part, name: &str) -> Option<String> {
    match part {
        Part::Unet => Some(name.to_owned()),
        Part::Vae => {
            (!name.starts_with("loss.") && !name.starts_with(AVERAGED)).then(|| today_in_vae(name))
        }
        Part::TextEncoder => today_in_text(name),
    }
}

/// diffusers called the projections of the autoencoder's attention otherwise until 0.13, and published files still do.
fn today_in_vae(name: &str) -> String {
    const RENAMED: [(&str, &str); 4] = [
        (".query.", ".to_q."),
        (".key.", ".to_k."),
        (".value.", ".to_v."),
        (".proj_attn.", ".to_out.0."),
    ];
    RENAMED
        .into_iter()
        .find(|(then, _)| name.contains(".attentions.") && name.contains(then))
        .map_or_else(|| name.to_owned(), |(then, now)| name.replace(then, now))
}

/// Old versions of transformers stored the positions themselves; some merged files lack the outer name; the projection
/// and temperature that CLIP was trained with have no place in Stable Diffusion 1.x.
fn today_in_text(name: &str) -> Option<String> {
    let inner = name.strip_prefix("text_model.").unwrap_or(name);
    if inner.ends_with("position_ids") || matches!(inner, "text_projection.weight" | "logit_scale")
    {
        return None;
    }
    Some(format!("text_model.{inner}"))
}

fn swap_prefix(name: &str, from: &str, to: &str) -> Option<String> {
    let rest = name.strip_prefix(from)?;
    rest.starts_with('.').then(|| format!("{to}{rest}"))
}

/// The layers of a residual block in the U-Net: LDM's name, diffusers'.
const RESNET: [(&str, &str); 6] = [
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
];

/// Prefixes in the U-Net: LDM's, diffusers'. Those with a `.1.conv` stand before the attention they would be taken for.
static UNET: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut add = |ldm: String, diffusers: String| {
        if diffusers.contains(".resnets.") {
            for (theirs, ours) in RESNET {
                pairs.push((format!("{ldm}.{theirs}"), format!("{diffusers}.{ours}")));
            }
        } else {
            pairs.push((ldm, diffusers));
        }
    };
    for (ldm, diffusers) in [
        ("time_embed.0", "time_embedding.linear_1"),
        ("time_embed.2", "time_embedding.linear_2"),
        ("input_blocks.0.0", "conv_in"),
        ("middle_block.0", "mid_block.resnets.0"),
        ("middle_block.1", "mid_block.attentions.0"),
        ("middle_block.2", "mid_block.resnets.1"),
        ("out.0", "conv_norm_out"),
        ("out.2", "conv_out"),
    ] {
        add(ldm.to_owned(), diffusers.to_owned());
    }
    for index in 1..12 {
        let (block, layer) = ((index - 1) / 3, (index - 1) % 3);
        let (ldm, ours) = (
            format!("input_blocks.{index}"),
            format!("down_blocks.{block}"),
        );
        if layer == 2 {
            add(format!("{ldm}.0.op"), format!("{ours}.downsamplers.0.conv"));
        } else {
            add(format!("{ldm}.0"), format!("{ours}.resnets.{layer}"));
            add(format!("{ldm}.1"), format!("{ours}.attentions.{layer}"));
        }
    }
    for index in 0..12 {
        let (block, layer) = (index / 3, index % 3);
        let (ldm, ours) = (
            format!("output_blocks.{index}"),
            format!("up_blocks.{block}"),
        );
        if layer == 2 && block < 3 {
            // The first level has no attention, so its upsampler is second there and third elsewhere.
            let place = if block == 0 { 1 } else { 2 };
            add(
                format!("{ldm}.{place}.conv"),
                format!("{ours}.upsamplers.0.conv"),
            );
        }
        add(format!("{ldm}.0"), format!("{ours}.resnets.{layer}"));
        add(format!("{ldm}.1"), format!("{ours}.attentions.{layer}"));
    }
    pairs
});

/// Prefixes in the autoencoder: LDM's, diffusers'. LDM numbers the decoder's levels by resolution, diffusers by order.
static VAE: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let mut pairs = Vec::new();
    for side in ["encoder", "decoder"] {
        let mut add = |ldm: &str, diffusers: &str| {
            pairs.push((format!("{side}.{ldm}"), format!("{side}.{diffusers}")));
        };
        add("norm_out", "conv_norm_out");
        for (ldm, diffusers) in [
            ("norm", "group_norm"),
            ("q", "to_q"),
            ("k", "to_k"),
            ("v", "to_v"),
            ("proj_out", "to_out.0"),
        ] {
            add(
                &format!("mid.attn_1.{ldm}"),
                &format!("mid_block.attentions.0.{diffusers}"),
            );
        }
        add("mid.block_1", "mid_block.resnets.0");
        add("mid.block_2", "mid_block.resnets.1");
        for level in 0..4 {
            let (ldm, ours, sampler) = match side {
                "encoder" => (
                    format!("down.{level}"),
                    format!("down_blocks.{level}"),
                    "down",
                ),
                _ => (
                    format!("up.{level}"),
                    format!("up_blocks.{}", 3 - level),
                    "up",
                ),
            };
            for layer in 0..3 {
                let (ldm, ours) = (
                    format!("{ldm}.block.{layer}"),
                    format!("{ours}.resnets.{layer}"),
                );
                add(
                    &format!("{ldm}.nin_shortcut"),
                    &format!("{ours}.conv_shortcut"),
                );
                add(&ldm, &ours);
            }
            add(
                &format!("{ldm}.{sampler}sample.conv"),
                &format!("{ours}.{sampler}samplers.0.conv"),
            );
        }
    }
    pairs
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_file_names_become_diffusers_names_and_go_back() {
        let pairs = [
            (
                Part::Unet,
                "model.diffusion_model.time_embed.2.bias",
                "time_embedding.linear_2.bias",
            ),
            (
                Part::Unet,
                "model.diffusion_model.input_blocks.0.0.weight",
                "conv_in.weight",
            ),
            (
                Part::Unet,
                "model.diffusion_model.input_blocks.4.0.skip_connection.weight",
                "down_blocks.1.resnets.0.conv_shortcut.weight",
            ),
            (
                Part::Unet,
                "model.diffusion_model.input_blocks.11.0.emb_layers.1.bias",
                "down_blocks.3.resnets.1.time_emb_proj.bias",
            ),
            (
                Part::Unet,
                "model.diffusion_model.input_blocks.9.0.op.weight",
                "down_blocks.2.downsamplers.0.conv.weight",
            ),
            (
                Part::Unet,
                "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_out.0.weight",
                "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.weight",
            ),
            (
                Part::Unet,
                "model.diffusion_model.output_blocks.2.1.conv.weight",
                "up_blocks.0.upsamplers.0.conv.weight",
            ),
            (
                Part::Unet,
                "model.diffusion_model.output_blocks.8.2.conv.bias",
                "up_blocks.2.upsamplers.0.conv.bias",
            ),
            (
                Part::Unet,
                "model.diffusion_model.output_blocks.10.1.proj_in.weight",
                "up_blocks.3.attentions.1.proj_in.weight",
            ),
            (
                Part::Unet,
                "model.diffusion_model.out.2.weight",
                "conv_out.weight",
            ),
            (
                Part::Vae,
                "first_stage_model.decoder.up.3.block.2.nin_shortcut.weight",
                "decoder.up_blocks.0.resnets.2.conv_shortcut.weight",
            ),
            (
                Part::Vae,
                "first_stage_model.decoder.up.1.upsample.conv.bias",
                "decoder.up_blocks.2.upsamplers.0.conv.bias",
            ),
            (
                Part::Vae,
                "first_stage_model.encoder.mid.attn_1.proj_out.weight",
                "encoder.mid_block.attentions.0.to_out.0.weight",
            ),
            (
                Part::Vae,
                "first_stage_model.quant_conv.weight",
                "quant_conv.weight",
            ),
            (
                Part::TextEncoder,
                "cond_stage_model.transformer.text_model.final_layer_norm.bias",
                "text_model.final_layer_norm.bias",
            ),
        ];
        for (part, ldm, diffusers) in pairs {
            assert_eq!(from_single_file(ldm), Some((part, diffusers.to_owned())));
            assert_eq!(to_single_file(part, diffusers), ldm);
        }
    }

    #[test]
    fn names_of_other_times_are_understood() {
        let now = canonical(Part::Vae, "decoder.mid_block.attentions.0.proj_attn.bias");
        assert_eq!(
            now.as_deref(),
            Some("decoder.mid_block.attentions.0.to_out.0.bias")
        );
        let now = from_single_file("cond_stage_model.transformer.encoder.layers.0.mlp.fc1.bias");
        let name = "text_model.encoder.layers.0.mlp.fc1.bias".to_owned();
        assert_eq!(now, Some((Part::TextEncoder, name)));
    }

    #[test]
    fn what_is_no_weight_is_left_out() {
        for name in [
            "alphas_cumprod",
            "model_ema.decay",
            "safety_checker.concept_embeds",
            "cond_stage_model.transformer.text_model.embeddings.position_ids",
            "first_stage_model.loss.logvar",
        ] {
            assert_eq!(from_single_file(name), None, "{name}");
        }
    }

    #[test]
    fn averaged_copies_lose_their_dots() {
        assert_eq!(
            averaged("model.diffusion_model.out.2.weight").as_deref(),
            Some("model_ema.diffusion_modelout2weight")
        );
    }
}
