//! PNG with the two text chunks that remember how a picture was made.

use std::io::Cursor;

use super::Picture;
use crate::error::{Error, Result};

/// What a picture remembers of its making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// For people and picture sites: prompt, negative prompt and settings in the form AUTOMATIC1111's page writes.
    pub parameters: Option<String>,
    /// For this crate: the whole job as JSON.
    pub guidestar: Option<String>,
}

const PARAMETERS: &str = "parameters";
const GUIDESTAR: &str = "guidestar";
/// Text chunks larger than this are not ours; a decoder must not be talked into unpacking gigabytes.
const TEXT_LIMIT_BYTES: usize = 16 << 20;

/// The bytes of a PNG file.
///
/// # Errors
/// When the picture is empty or too large for the format.
pub fn encode(picture: &Picture, notes: &Notes) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes, picture, notes)
        .map_err(|error| Error::Request(format!("this picture makes no PNG: {error}")))?;
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>, picture: &Picture, notes: &Notes) -> Result<(), png::EncodingError> {
    let [width, height] = [picture.width_px, picture.height_px].map(|px| px as u32);
    let mut encoder = png::Encoder::new(bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    for (keyword, text) in [
        (PARAMETERS, &notes.parameters),
        (GUIDESTAR, &notes.guidestar),
    ] {
        let Some(text) = text else { continue };
        // The older chunk holds Latin-1 only, but every reader knows it.
        if text.chars().all(|c| u32::from(c) < 256) {
            encoder.add_text_chunk(keyword.to_owned(), text.clone())?;
        } else {
            encoder.add_itxt_chunk(keyword.to_owned(), text.clone())?;
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb)?;
    writer.finish()
}

/// What a PNG file remembers of its making.
///
/// # Errors
/// When this is not a PNG file, or a broken one.
pub fn notes(bytes: &[u8]) -> Result<Notes> {
    let limits = png::Limits {
        bytes: TEXT_LIMIT_BYTES,
    };
    let decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let mut reader = decoder.read_info().map_err(|error| broken(&error))?;
    // Chunks may stand behind the pixels.
    reader.finish().map_err(|error| broken(&error))?;
    let info = reader.info();
    let find = |keyword: &str| {
        let plain = info.uncompressed_latin1_text.iter();
        let packed = info.compressed_latin1_text.iter();
        let plain = plain.map(|chunk| (&chunk.keyword, Some(chunk.text.clone())));
        let packed = packed.map(|chunk| (&chunk.keyword, chunk.get_text().ok()));
        let wide = info.utf8_text.iter();
        let wide = wide.map(|chunk| (&chunk.keyword, chunk.get_text().ok()));
        let mut all = plain.chain(packed).chain(wide);
        all.find(|(found, _)| *found == keyword)?.1
    };
    Ok(Notes {
        parameters: find(PARAMETERS),
        guidestar: find(GUIDESTAR),
    })
}

fn broken(error: &png::DecodingError) -> Error {
    Error::Request(format!("this is not a PNG file that can be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes_of(text: &str) -> Notes {
        Notes {
            parameters: Some(text.to_owned()),
            guidestar: Some(format!("{{\"prompt\": {text:?}}}")),
        }
    }

    #[test]
    fn notes_survive_in_every_script() {
        let picture = Picture::filled(3, 2, [1, 2, 3]);
        for text in ["a fox", "un café\nSteps: 3", "赤いりんご 🍎"] {
            let bytes = encode(&picture, &notes_of(text)).unwrap();
            assert_eq!(notes(&bytes).unwrap(), notes_of(text));
        }
    }

    #[test]
    fn the_pixels_are_stored_as_they_are() {
        let picture = Picture::from_rgb(2, 1, vec![0, 1, 2, 253, 254, 255]);
        let bytes = encode(&picture, &Notes::default()).unwrap();
        let read = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(read.as_raw(), picture.rgb());
        assert_eq!(notes(&bytes).unwrap(), Notes::default());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(notes(b"GIF89a").is_err());
        assert!(notes(b"").is_err());
        let whole = encode(&Picture::filled(64, 64, [0; 3]), &notes_of("x")).unwrap();
        for length in 0..whole.len() {
            // Nothing a truncated file does may panic.
            let _ = notes(&whole[..length]);
        }
    }
}
