//! Width and height of a picture.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Width and height of a picture in pixels, spelled `512x768`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    /// Pixels across.
    pub width_px: usize,
    /// Pixels down.
    pub height_px: usize,
}

impl Size {
    /// A square.
    pub fn square(px: usize) -> Self {
        Self {
            width_px: px,
            height_px: px,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width_px, self.height_px)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size: write it as 512x768, width first");
        let (width, height) = match text.split_once(['x', 'X', '×']) {
            Some(pair) => pair,
            None => (text, text),
        };
        let px = |digits: &str| digits.trim().parse().map_err(|_| wrong());
        Ok(Self {
            width_px: px(width)?,
            height_px: px(height)?,
        })
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_width_by_height() {
        let wide = Size {
            width_px: 768,
            height_px: 512,
        };
        assert_eq!("768x512".parse(), Ok(wide));
        assert_eq!("512".parse(), Ok(Size::square(512)));
        assert_eq!(wide.to_string().parse(), Ok(wide));
        for wrong in ["", "x", "512x", "512x512x512", "-8x8", "8.5x8", "axb"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
