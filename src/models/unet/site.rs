//! Sites by name, and what a U-Net has at them.

use std::str::FromStr;

use super::{Block, Part, Site};
use crate::models::config::UnetConfig;

impl Site {
    /// The name without what every layer's ends in: `mid_block.attentions.0`.
    pub fn short(self) -> String {
        let name = self.to_string();
        match name.strip_suffix(".transformer_blocks.0.attn1") {
            Some(short) => short.to_owned(),
            None => name,
        }
    }

    /// Whether a U-Net of this config has such a layer.
    pub fn is_in(self, config: &UnetConfig) -> bool {
        let attends = |types: &[String], block: usize| types[block].starts_with("CrossAttn");
        let blocks = config.block_out_channels.len();
        let layers = config.layers_per_block;
        let (exists, attention, layers) = match self.block {
            Block::Mid if self.part == Part::Resnet => (true, false, 2),
            Block::Mid => (true, true, 1),
            Block::Down(block) if block < blocks => {
                (true, attends(&config.down_block_types, block), layers)
            }
            Block::Up(block) if block < blocks => {
                (true, attends(&config.up_block_types, block), layers + 1)
            }
            Block::Down(_) | Block::Up(_) => (false, false, 0),
        };
        exists && self.layer < layers && (attention || self.part == Part::Resnet)
    }

    /// Every self-attention of a U-Net of this config, from its input to its output.
    pub fn self_attentions(config: &UnetConfig) -> Vec<Self> {
        let blocks = config.block_out_channels.len();
        let order = (0..blocks)
            .map(Block::Down)
            .chain([Block::Mid])
            .chain((0..blocks).map(Block::Up));
        let part = Part::SelfAttention;
        order
            .flat_map(|block| {
                (0..=config.layers_per_block).map(move |layer| Self { block, layer, part })
            })
            .filter(|site| site.is_in(config))
            .collect()
    }
}

impl Block {
    /// Height and width of the feature maps inside this block, for latents of that size: each block down but the last
    /// halves them, rounding up.
    pub fn map_size(self, latents: [usize; 2], blocks: usize) -> [usize; 2] {
        let halvings = match self {
            Self::Down(block) => block,
            Self::Mid => blocks - 1,
            Self::Up(block) => blocks - 1 - block,
        };
        latents.map(|extent| (0..halvings).fold(extent, |extent, _| extent.div_ceil(2)))
    }
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("no block of the U-Net is called {text:?}");
        let index = |digits: &str| digits.parse().map_err(|_| wrong());
        match text.split_once('.') {
            Some(("down_blocks", digits)) => Ok(Self::Down(index(digits)?)),
            Some(("up_blocks", digits)) => Ok(Self::Up(index(digits)?)),
            None if text == "mid_block" => Ok(Self::Mid),
            _ => Err(wrong()),
        }
    }
}

impl FromStr for Site {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "no layer of the U-Net is called {text:?}: write it as mid_block.attentions.0.transformer_blocks.0.attn1, \
                 or mid_block.attentions.0 for short"
            )
        };
        let (rest, part) = match text.strip_suffix(".transformer_blocks.0.attn2") {
            Some(rest) => (rest, Part::CrossAttention),
            None => (
                text.strip_suffix(".transformer_blocks.0.attn1")
                    .unwrap_or(text),
                Part::SelfAttention,
            ),
        };
        let (rest, layer) = rest.rsplit_once('.').ok_or_else(wrong)?;
        let layer = layer.parse().map_err(|_| wrong())?;
        let (block, kind) = rest.rsplit_once('.').ok_or_else(wrong)?;
        let part = match (kind, part) {
            ("attentions", part) => part,
            ("resnets", Part::SelfAttention) if !text.contains("transformer") => Part::Resnet,
            _ => return Err(wrong()),
        };
        let block = block.parse().map_err(|_| wrong())?;
        Ok(Self { block, layer, part })
    }
}

impl TryFrom<String> for Site {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_read_as_they_are_printed() {
        for site in Site::self_attentions(&UnetConfig::tiny()) {
            assert_eq!(site.to_string().parse(), Ok(site));
        }
        let resnet = Site {
            block: Block::Up(1),
            layer: 1,
            part: Part::Resnet,
        };
        assert_eq!("up_blocks.1.resnets.1".parse(), Ok(resnet));
        let short: Site = "mid_block.attentions.0".parse().unwrap();
        assert_eq!(short.part, Part::SelfAttention);
        for wrong in [
            "",
            "mid",
            "mid_block",
            "side_blocks.1.attentions.0",
            "up_blocks.x.attentions.0",
        ] {
            assert!(wrong.parse::<Site>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn stable_diffusion_has_sixteen_self_attentions() {
        let config = UnetConfig::sd15();
        assert_eq!(Site::self_attentions(&config).len(), 16);
        for missing in [
            "down_blocks.3.attentions.0",
            "up_blocks.0.attentions.0",
            "mid_block.attentions.1",
        ] {
            assert!(
                !missing.parse::<Site>().unwrap().is_in(&config),
                "{missing}"
            );
        }
    }

    #[test]
    fn maps_are_halved_rounding_up() {
        assert_eq!(Block::Mid.map_size([64, 64], 4), [8, 8]);
        assert_eq!(Block::Mid.map_size([12, 9], 4), [2, 2]);
        assert_eq!(Block::Down(1).map_size([12, 9], 4), [6, 5]);
        assert_eq!(Block::Up(3).map_size([12, 9], 4), [12, 9]);
    }
}
