//! From a picture of any size to one of a model's: which part of it, and how it is resampled.

use std::{fmt, str::FromStr};

use image::{RgbImage, imageops};
use serde::{Deserialize, Serialize};

use super::Picture;
use crate::error::{Error, Result};

/// How a picture of another shape is made to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The largest part of the right shape, from the middle.
    #[default]
    Cover,
    /// The whole picture: its shorter side gets the model's size, and what no latent covers is cut off at the right and
    /// below, as plug-and-play on diffusers does.
    ShorterSide,
}

/// How a picture is resampled; both look at every pixel that a smaller one covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// A windowed sinc of three lobes: sharpest.
    #[default]
    Lanczos,
    /// A triangle, as torchvision's `Resize` does for a picture.
    Bilinear,
}

impl Resampling {
    fn filter(self) -> imageops::FilterType {
        match self {
            Self::Lanczos => imageops::FilterType::Lanczos3,
            Self::Bilinear => imageops::FilterType::Triangle,
        }
    }
}

/// A part of a picture in pixels, spelled `left,top,width,height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Crop {
    /// Pixels left of it.
    pub left_px: usize,
    /// Pixels above it.
    pub top_px: usize,
    /// Pixels across.
    pub width_px: usize,
    /// Pixels down.
    pub height_px: usize,
}

impl Crop {
    /// The largest part of this shape, from the middle of another.
    #[must_use]
    pub fn middle(self, shape: [usize; 2]) -> Self {
        let [across, down] = shape;
        // Products of two sides stay far below 2^64.
        let wide = self.width_px * down > self.height_px * across;
        let (width_px, height_px) = if wide {
            (rounded(self.height_px * across, down), self.height_px)
        } else {
            (self.width_px, rounded(self.width_px * down, across))
        };
        Self {
            left_px: self.left_px + (self.width_px - width_px) / 2,
            top_px: self.top_px + (self.height_px - height_px) / 2,
            width_px,
            height_px,
        }
    }
}

/// A quotient to the nearest whole number, and at least 1.
fn rounded(numerator: usize, denominator: usize) -> usize {
    ((numerator + denominator / 2) / denominator).max(1)
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            left_px,
            top_px,
            width_px,
            height_px,
        } = self;
        write!(f, "{left_px},{top_px},{width_px},{height_px}")
    }
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no part of a picture: write left,top,width,height in pixels, as in 0,20,512,512"
            )
        };
        let px = |part: &str| part.trim().parse().map_err(|_| wrong());
        let parts = text.split(',').map(px).collect::<Result<Vec<usize>, _>>()?;
        let [left_px, top_px, width_px, height_px] = parts[..] else {
            return Err(wrong());
        };
        if width_px == 0 || height_px == 0 {
            return Err(format!("the part {text:?} of the picture has no pixels"));
        }
        Ok(Self {
            left_px,
            top_px,
            width_px,
            height_px,
        })
    }
}

impl TryFrom<String> for Crop {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Crop> for String {
    fn from(crop: Crop) -> Self {
        crop.to_string()
    }
}

/// How a picture becomes one of a model's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// The part that is used; the whole picture otherwise.
    pub crop: Option<Crop>,
    /// How that is made to fit.
    pub fit: Fit,
    /// How it is resampled.
    pub resampling: Resampling,
}

impl Framing {
    /// The part of the picture that is looked at.
    ///
    /// # Errors
    /// When it is not inside the picture.
    fn part(&self, picture: &Picture) -> Result<Crop> {
        let whole = Crop {
            left_px: 0,
            top_px: 0,
            width_px: picture.width_px(),
            height_px: picture.height_px(),
        };
        let Some(crop) = self.crop else {
            return Ok(whole);
        };
        let inside = |start: usize, length: usize, end: usize| {
            start.checked_add(length).is_some_and(|last| last <= end)
        };
        if !inside(crop.left_px, crop.width_px, whole.width_px)
            || !inside(crop.top_px, crop.height_px, whole.height_px)
        {
            return Err(Error::Request(format!(
                "the part {crop} is not inside the picture, which has {}x{} pixels",
                whole.width_px, whole.height_px
            )));
        }
        Ok(crop)
    }

    /// Width and height that suit the picture, for a model of squares of `side_px` whose latents cover `reduction` pixels.
    ///
    /// # Errors
    /// When the part asked for is not inside the picture.
    pub fn suited(
        &self,
        picture: &Picture,
        side_px: usize,
        reduction: usize,
    ) -> Result<[usize; 2]> {
        let part = self.part(picture)?;
        Ok(match self.fit {
            Fit::Cover => [side_px; 2],
            Fit::ShorterSide => shorter_side(part, side_px).map(|px| px / reduction * reduction),
        })
    }

    /// What is lost in bringing a picture to this size, in sentences: most of it, or that there is little in it.
    ///
    /// # Errors
    /// When the part asked for is not inside the picture.
    pub fn losses(&self, picture: &Picture, size: [usize; 2]) -> Result<Vec<String>> {
        let part = self.part(picture)?;
        let used = match self.fit {
            Fit::Cover => part.middle(size),
            Fit::ShorterSide => part,
        };
        let Crop {
            width_px,
            height_px,
            ..
        } = used;
        let mut losses = Vec::new();
        if 4 * width_px * height_px < part.width_px * part.height_px {
            losses.push(format!(
                "of {}x{} pixels only the middle {width_px}x{height_px} are used, because the result has another shape: crop the \
                 picture to what matters",
                part.width_px, part.height_px
            ));
        }
        if 8 * width_px.min(height_px) < size[0].min(size[1]) {
            losses.push(format!(
                "{width_px}x{height_px} pixels are enlarged to {}x{}: there is little in them to begin with",
                size[0], size[1]
            ));
        }
        Ok(losses)
    }

    /// The picture in this size.
    ///
    /// # Errors
    /// When the part asked for is not inside the picture, or cannot fill the size.
    pub fn apply(&self, picture: &Picture, size: [usize; 2]) -> Result<Picture> {
        let part = self.part(picture)?;
        match self.fit {
            Fit::Cover => Ok(self.resampled(picture, part.middle(size), size)),
            Fit::ShorterSide => {
                let whole = shorter_side(part, size[0].min(size[1]));
                if whole[0] < size[0] || whole[1] < size[1] {
                    return Err(Error::Request(format!(
                        "the picture by its shorter side has {}x{} pixels, too few for {}x{}",
                        whole[0], whole[1], size[0], size[1]
                    )));
                }
                let resized = self.resampled(picture, part, whole);
                let mut cut = Picture::filled(size[0], size[1], [0; 3]);
                cut.paste(&resized, 0, 0);
                Ok(cut)
            }
        }
    }

    fn resampled(&self, picture: &Picture, part: Crop, size: [usize; 2]) -> Picture {
        let image = RgbImage::from_raw(
            picture.width_px() as u32,
            picture.height_px() as u32,
            picture.rgb().to_vec(),
        )
        .expect("a picture has three bytes a pixel");
        let [left, top, width, height] =
            [part.left_px, part.top_px, part.width_px, part.height_px].map(|px| px as u32);
        let view = imageops::crop_imm(&image, left, top, width, height);
        let [across, down] = size.map(|px| px as u32);
        let rgb = if [width, height] == [across, down] {
            view.to_image()
        } else {
            imageops::resize(&*view, across, down, self.resampling.filter())
        };
        Picture::from_rgb(size[0], size[1], rgb.into_raw())
    }
}

/// Width and height once the shorter side is `side_px`; the longer one is rounded down, as torchvision does.
fn shorter_side(part: Crop, side_px: usize) -> [usize; 2] {
    let [width, height] = [part.width_px, part.height_px];
    if width <= height {
        [side_px, side_px * height / width]
    } else {
        [side_px * width / height, side_px]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said_only_where_it_is_much() {
        let said = |width_px, height_px| {
            let picture = Picture::filled(width_px, height_px, [9; 3]);
            let losses = Framing::default().losses(&picture, [128, 128]).unwrap();
            losses.join("; ")
        };
        assert_eq!(said(300, 200), "");
        assert_eq!(said(16, 16), "");
        assert!(said(1, 1).starts_with("1x1 pixels are enlarged to 128x128"));
        assert!(said(30_000, 200).starts_with("of 30000x200 pixels only the middle 200x200"));
        assert!(said(30_000, 4).contains("; 4x4 pixels are enlarged"));
    }

    /// A picture whose left third is red, its middle green, its right blue.
    fn thirds(width_px: usize, height_px: usize) -> Picture {
        let mut picture = Picture::filled(width_px, height_px, [0, 255, 0]);
        let third = width_px / 3;
        picture.paste(&Picture::filled(third, height_px, [255, 0, 0]), 0, 0);
        let right = Picture::filled(third, height_px, [0, 0, 255]);
        picture.paste(&right, width_px - third, 0);
        picture
    }

    #[test]
    fn the_middle_is_taken_unless_another_part_is_asked_for() {
        let picture = thirds(90, 30);
        let framing = Framing::default();
        let square = framing.apply(&picture, [16, 16]).unwrap();
        assert_eq!(square, Picture::filled(16, 16, [0, 255, 0]));
        let right = Framing {
            crop: Some("60,0,30,30".parse().unwrap()),
            ..framing
        };
        let square = right.apply(&picture, [16, 16]).unwrap();
        assert_eq!(square, Picture::filled(16, 16, [0, 0, 255]));
        let whole = framing.apply(&picture, [90, 30]).unwrap();
        assert_eq!(whole, picture);
    }

    #[test]
    fn one_pixel_and_a_ribbon_fill_a_square() {
        let dot = Picture::filled(1, 1, [1, 2, 3]);
        let framed = Framing::default().apply(&dot, [64, 64]).unwrap();
        assert_eq!(framed, Picture::filled(64, 64, [1, 2, 3]));
        let ribbon = Picture::filled(30_000, 1, [9; 3]);
        let framed = Framing::default().apply(&ribbon, [64, 64]).unwrap();
        assert_eq!(framed, Picture::filled(64, 64, [9; 3]));
    }

    #[test]
    fn by_the_shorter_side_nothing_is_cut_that_a_latent_could_cover() {
        let framing = Framing {
            fit: Fit::ShorterSide,
            ..Framing::default()
        };
        let picture = thirds(100, 60);
        // 64 * 100 / 60 = 106, of which 104 are whole latents.
        let size = framing.suited(&picture, 64, 8).unwrap();
        assert_eq!(size, [104, 64]);
        let framed = framing.apply(&picture, size).unwrap();
        assert_eq!((framed.width_px(), framed.height_px()), (104, 64));
        assert_eq!(framed.rgb()[..3], [255, 0, 0]);
        assert!(framing.apply(&picture, [64, 128]).is_err());
    }

    #[test]
    fn fine_detail_is_averaged_not_skipped() {
        let stripes: Vec<u8> = (0..64 * 64)
            .flat_map(|at| [if at % 2 == 0 { 0 } else { 255 }; 3])
            .collect();
        let picture = Picture::from_rgb(64, 64, stripes);
        for resampling in [Resampling::Lanczos, Resampling::Bilinear] {
            let framing = Framing {
                resampling,
                ..Framing::default()
            };
            let small = framing.apply(&picture, [8, 8]).unwrap();
            let middle = &small.rgb()[3 * 8 * 4 + 12..][..3];
            let grey = middle.iter().all(|byte| (120..=136).contains(byte));
            assert!(grey, "{resampling:?}: {middle:?}");
        }
    }

    #[test]
    fn parts_outside_the_picture_are_refused() {
        let picture = Picture::filled(10, 10, [0; 3]);
        for crop in ["5,0,6,10", "0,0,11,1", "18446744073709551615,0,2,2"] {
            let framing = Framing {
                crop: Some(crop.parse().unwrap()),
                ..Framing::default()
            };
            assert!(framing.apply(&picture, [8, 8]).is_err(), "{crop}");
        }
        for wrong in ["", "1,2,3", "0,0,0,5", "a,b,c,d", "-1,0,2,2"] {
            assert!(wrong.parse::<Crop>().is_err(), "{wrong}");
        }
        let crop: Crop = "1,2,3,4".parse().unwrap();
        assert_eq!(crop.to_string().parse(), Ok(crop));
    }
}
