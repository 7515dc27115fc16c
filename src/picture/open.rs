//! Pictures from anywhere: what people have on their disks, made RGB.

use std::io::Cursor;

use image::{
    AnimationDecoder, DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::Picture;
use crate::error::{Error, Result};

/// Unpacked, a picture may take this much; a small file can claim to hold a huge one.
const LIMIT_BYTES: u64 = 512 << 20;

/// What files begin with that are pictures, but none that can be read here: name, where the mark stands, the mark.
const FOREIGN: [(&str, usize, &[u8]); 10] = [
    ("an AVIF picture", 4, b"ftypavif"),
    ("a HEIC picture, as phones make them", 4, b"ftyphei"),
    ("a HEIC picture, as phones make them", 4, b"ftypmif1"),
    ("a JPEG XL picture", 0, b"\xff\x0a"),
    ("a JPEG XL picture", 4, b"JXL \r\n"),
    ("a TIFF picture or a camera's raw file", 0, b"II*\0"),
    ("a TIFF picture", 0, b"MM\0*"),
    ("a Photoshop document", 0, b"8BPS"),
    ("a PDF document", 0, b"%PDF"),
    ("an SVG drawing", 0, b"<svg"),
];

/// A picture that was read, and what was done to it on the way that its owner may not expect.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The picture, upright.
    pub picture: Picture,
    /// What was lost, in sentences.
    pub warnings: Vec<String>,
}

/// Reads a PNG, JPEG, WebP, GIF or BMP file.
///
/// It is turned as its EXIF data ask, its transparent parts are laid over white, 16 bits a channel become 8, and of an
/// animation the first frame is taken.
///
/// # Errors
/// When it is none of these, is damaged, or would take more than half a gigabyte.
pub fn open(bytes: &[u8]) -> Result<Opened> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| wrong(&error))?;
    let Some(format) = reader.format().filter(ImageFormat::reading_enabled) else {
        return Err(Error::Request(unknown(bytes)));
    };
    // The size is looked at below, and said in words.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|error| wrong(&error))?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > LIMIT_BYTES {
        return Err(Error::Request(format!(
            "a picture of {width}x{height} pixels is too large to open: it would take {} MB of memory, and {} MB are \
             allowed; make it smaller first",
            decoder.total_bytes() >> 20,
            LIMIT_BYTES >> 20
        )));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| wrong(&error))?;
    image.apply_orientation(orientation);
    let mut warnings = Vec::new();
    if is_animated(format, bytes) {
        warnings.push("the picture is animated: its first frame is used".to_owned());
    }
    let (width_px, height_px) = image.dimensions();
    let (rgb, see_through) = over_white(image);
    if see_through {
        warnings.push("the picture is partly transparent: it is laid over white".to_owned());
    }
    let picture = Picture::from_rgb(width_px as usize, height_px as usize, rgb);
    Ok(Opened { picture, warnings })
}

/// The bytes of a picture laid over white, and whether any of it was transparent.
fn over_white(image: DynamicImage) -> (Vec<u8>, bool) {
    if !image.color().has_alpha() {
        return (image.into_rgb8().into_raw(), false);
    }
    let rgba = image.into_rgba8().into_raw();
    let mut see_through = false;
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        see_through |= alpha < 255;
        let over = |channel: &u8| (u32::from(*channel) * alpha + 255 * (255 - alpha) + 127) / 255;
        rgb.extend(pixel[..3].iter().map(|channel| over(channel) as u8));
    }
    (rgb, see_through)
}

fn is_animated(format: ImageFormat, bytes: &[u8]) -> bool {
    let bytes = Cursor::new(bytes);
    match format {
        ImageFormat::Png => {
            PngDecoder::new(bytes).is_ok_and(|png| png.is_apng().is_ok_and(|animated| animated))
        }
        ImageFormat::WebP => WebPDecoder::new(bytes).is_ok_and(|webp| webp.has_animation()),
        ImageFormat::Gif => {
            GifDecoder::new(bytes).is_ok_and(|gif| gif.into_frames().take(2).count() == 2)
        }
        _ => false,
    }
}

fn wrong(error: &dyn std::fmt::Display) -> Error {
    Error::Request(format!("this picture cannot be read: {error}"))
}

/// What to say of a file that is no picture, or none that is known here.
fn unknown(bytes: &[u8]) -> String {
    const READ: &str = "PNG, JPEG, WebP, GIF and BMP are read";
    let foreign = FOREIGN
        .iter()
        .find(|(_, at, mark)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    match foreign {
        Some((name, ..)) => format!("this is {name}, which is not read: save it as PNG or JPEG"),
        None if bytes.is_empty() => format!("this file is empty: {READ}"),
        None => format!("this is no picture that is known: {READ}"),
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageEncoder, RgbaImage, codecs::png::PngEncoder};

    use super::*;

    fn png(width: u32, height: u32, rgba: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new(&mut bytes);
        let color = image::ExtendedColorType::Rgba8;
        encoder.write_image(rgba, width, height, color).unwrap();
        bytes
    }

    #[test]
    fn transparent_parts_are_laid_over_white() {
        let bytes = png(3, 1, &[10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 128]);
        let opened = open(&bytes).unwrap();
        assert_eq!(
            opened.picture.rgb(),
            [10, 20, 30, 255, 255, 255, 127, 177, 255]
        );
        assert_eq!(opened.warnings.len(), 1, "{:?}", opened.warnings);
        let opaque = open(&png(1, 1, &[1, 2, 3, 255])).unwrap();
        assert!(opaque.warnings.is_empty(), "{:?}", opaque.warnings);
    }

    #[test]
    fn what_is_no_picture_is_refused_by_its_name() {
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"hello", "no picture"),
            (b"%PDF-1.7", "PDF"),
            (b"\0\0\0\x20ftypheic", "HEIC"),
            (b"MM\0*\0\0", "TIFF"),
        ] {
            let refusal = open(bytes).unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn a_file_that_claims_to_be_huge_is_refused_before_anything_is_allocated() {
        let mut bytes = png(1, 1, &[0; 4]);
        // Width and height stand behind the signature, the length and the name of the first chunk.
        bytes[16..20].copy_from_slice(&30_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&30_000u32.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        let refusal = open(&bytes).unwrap_err().to_string();
        assert!(refusal.contains("30000x30000"), "{refusal}");
    }

    /// The checksum of a PNG chunk.
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        };
        !bytes.iter().fold(u32::MAX, step)
    }

    #[test]
    fn no_truncated_file_panics() {
        let image = RgbaImage::from_fn(40, 30, |x, y| {
            image::Rgba([x as u8, y as u8, (x * y) as u8, 255])
        });
        let whole = png(40, 30, image.as_raw());
        for length in 0..whole.len() {
            // Without its last chunk a file still has all of its pixels.
            let opened = open(&whole[..length]);
            assert!(opened.is_err() || length > whole.len() / 2, "{length}");
        }
        assert!(open(&whole).is_ok());
    }

    /// A picture that another program wrote, `tests/fixtures/make_pictures.py`'s.
    fn kept(name: &str) -> Opened {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pictures/");
        let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
        open(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn every_kind_of_file_is_the_same_picture() {
        let colours = [[0, 255, 0], [255, 0, 0], [0, 0, 255]];
        let places = [(4, 4), (4, 28), (40, 4)];
        for (name, warnings) in [
            ("turned.jpg", 0),
            ("cmyk.jpg", 0),
            ("plain.bmp", 0),
            ("plain.webp", 0),
            ("palette.png", 0),
            ("animated.gif", 1),
            ("animated.webp", 1),
            ("animated.png", 1),
        ] {
            let opened = kept(name);
            let picture = &opened.picture;
            assert_eq!(
                (picture.width_px(), picture.height_px()),
                (48, 32),
                "{name}"
            );
            assert_eq!(
                opened.warnings.len(),
                warnings,
                "{name}: {:?}",
                opened.warnings
            );
            for (colour, (x, y)) in colours.iter().zip(places) {
                let found = &picture.rgb()[3 * (y * 48 + x)..][..3];
                let near = found.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) < 12);
                assert!(near, "{name} at {x},{y}: {found:?} for {colour:?}");
            }
        }
    }

    #[test]
    fn grey_and_sixteen_bits_keep_their_levels() {
        let levels = |name| kept(name).picture.rgb()[3 * (28 * 48 + 4)..][..3].to_vec();
        let sixteen = levels("sixteen.png");
        // What Pillow makes of pure red: 299 / 1000 of 255.
        assert_eq!(sixteen, [76; 3]);
        assert!(levels("grey.jpg").iter().all(|byte| byte.abs_diff(76) < 4));
    }
}
