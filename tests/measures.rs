//! Measures of pictures agree with published programs, and the judge with what is known of pictures.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use guidestar::{
    measures::{Features, Mask, mse, psnr, sharpness, ssim, structure_distance},
    picture::Picture,
};
use serde::Deserialize;

/// Two pictures and what scikit-image says of them: `tests/fixtures/make_measures.py`.
#[derive(Deserialize)]
struct Fixture {
    width: usize,
    height: usize,
    first: Vec<u8>,
    second: Vec<u8>,
    mask: Vec<u8>,
    mse: f64,
    psnr: f64,
    ssim: f64,
    mse_only: f64,
    ssim_only: f64,
    mse_blackened: f64,
    ssim_blackened: f64,
    sharpness: f64,
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(include_str!("fixtures/measures.json")).unwrap()
    }

    fn pictures(&self) -> [Picture; 2] {
        [&self.first, &self.second]
            .map(|rgb| Picture::from_rgb(self.width, self.height, rgb.clone()))
    }

    fn mask(&self) -> Mask {
        let rgb = self.mask.iter().flat_map(|&byte| [byte; 3]).collect();
        Mask::light(&Picture::from_rgb(self.width, self.height, rgb))
    }
}

fn close(what: &str, found: f64, expected: f64) {
    let error = (found - expected).abs() / expected.abs();
    assert!(error < 1e-9, "{what}: {found} for {expected}");
}

#[test]
fn differences_and_similarity_are_those_of_scikit_image() {
    let fixture = Fixture::read();
    let [a, b] = fixture.pictures();
    let mask = fixture.mask();
    close("mse", mse(&a, &b, None), fixture.mse);
    close("psnr", psnr(mse(&a, &b, None)), fixture.psnr);
    close("ssim", ssim(&a, &b, None).unwrap(), fixture.ssim);
    close("mse of a part", mse(&a, &b, Some(&mask)), fixture.mse_only);
    let part = ssim(&a, &b, Some(&mask)).unwrap();
    close("ssim of a part", part, fixture.ssim_only);
    let [a, b] = [a, b].map(|picture| mask.blacken(&picture));
    close("mse, blackened", mse(&a, &b, None), fixture.mse_blackened);
    let whole = ssim(&a, &b, None).unwrap();
    close("ssim, blackened", whole, fixture.ssim_blackened);
}

#[test]
fn sharpness_is_the_variance_of_the_laplacian() {
    let fixture = Fixture::read();
    let [a, _] = fixture.pictures();
    close("sharpness", sharpness(&a), fixture.sharpness);
    let dot = sharpness(&Picture::filled(1, 1, [9; 3]));
    assert!(dot.abs() < 1e-12, "{dot}");
}

#[test]
fn the_same_picture_is_at_no_distance() {
    let [a, _] = Fixture::read().pictures();
    assert_eq!(mse(&a, &a, None).to_bits(), 0.0f64.to_bits());
    assert!(psnr(0.0).is_infinite());
    close("ssim", ssim(&a, &a, None).unwrap(), 1.0);
    let nothing = Mask::light(&Picture::filled(26, 20, [0; 3]));
    assert_eq!(nothing.count(), 0);
    assert!(ssim(&a, &a, Some(&nothing)).is_none());
    assert_eq!(nothing.inverted().count(), 26 * 20);
    let small = Picture::filled(10, 30, [9; 3]);
    assert!(ssim(&small, &small, None).is_none());
}

#[test]
fn the_structure_distance_is_the_difference_of_self_similarities() {
    // Three places of two features; cosines by hand: 0, 1/sqrt 2, 1/sqrt 2 and 1, 0.6, 0.6.
    let a = Features::new(2, vec![1.0, 0.0, 0.0, 2.0, 3.0, 3.0]);
    let b = Features::new(2, vec![1.0, 0.0, 4.0, 0.0, 3.0, 4.0]);
    let half = 0.5f64.sqrt();
    let expected = 2.0 * (1.0 + 2.0 * (half - 0.6).powi(2)) / 9.0;
    close("distance", structure_distance(&a, &b), expected);
    // What places look like does not count, only which are alike.
    let other = Features::new(2, vec![0.0, 5.0, 7.0, 0.0, 1.0, 1.0]);
    assert!(structure_distance(&a, &other) < 1e-15);
    // A place without features is like nothing, itself included.
    let empty = Features::new(1, vec![0.0]);
    close(
        "nothing",
        structure_distance(&empty, &Features::new(1, vec![2.0])),
        1.0,
    );
}

#[cfg(feature = "mini")]
mod judged {
    use guidestar::{
        measures::{Judge, structure_distance},
        picture::Picture,
        tensor::Device,
        tokenizer::Tokenizer,
        weights::{Checkpoint, guides, mini},
    };
    use image::imageops;
    use pollster::block_on;

    const COMPOSED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/composed");

    #[derive(serde::Deserialize)]
    struct Composed {
        size: u32,
        columns: u32,
        pictures: Vec<Label>,
    }

    #[derive(serde::Deserialize)]
    struct Label {
        thing: String,
        text: String,
    }

    fn picture(image: &image::RgbImage) -> Picture {
        let [width, height] = [image.width(), image.height()].map(|side| side as usize);
        Picture::from_rgb(width, height, image.as_raw().clone())
    }

    #[test]
    fn the_judge_prefers_the_text_of_a_picture_and_a_layout_that_was_kept() {
        let device = Device::cpu().unwrap();
        let checkpoint = block_on(Checkpoint::open_files(&mini::files())).unwrap();
        let tokenizer = Tokenizer::from_descriptions(&checkpoint.descriptions).unwrap();
        let judge = block_on(Judge::open(&device, &guides::files(), tokenizer)).unwrap();
        let labels = std::fs::read_to_string(format!("{COMPOSED}/labels.json")).unwrap();
        let composed: Composed = serde_json::from_str(&labels).unwrap();
        let sheet = image::open(format!("{COMPOSED}/pictures.png"))
            .unwrap()
            .to_rgb8();
        let size = composed.size;
        let [mut kept, mut seen] = [0; 2];
        for (at, label) in composed.pictures.iter().enumerate() {
            let at = at as u32;
            let (x, y) = (at % composed.columns * size, at / composed.columns * size);
            let tile = imageops::crop_imm(&sheet, x, y, size, size).to_image();
            let look = |text: &str| block_on(judge.look(&picture(&tile), Some(text))).unwrap();
            let own = look(&label.text);
            let other = look("a traffic light on the moon");
            assert!(own.text_score > other.text_score, "{}", label.text);
            // The text names the thing that is there, and the judge sees it.
            let sure = own.thing_confidence.unwrap();
            if own.thing.name == label.thing {
                seen += 1;
                assert_eq!(own.thing_confidence, Some(own.thing.probability));
            } else {
                assert!(sure < own.thing.probability, "{}", label.text);
            }
            assert_eq!(other.thing_confidence, None);

            let features = |image: &image::RgbImage| block_on(judge.features(&picture(image)));
            let layout = features(&tile).unwrap();
            let dyed = image::RgbImage::from_fn(size, size, |x, y| {
                let [r, g, b] = tile.get_pixel(x, y).0;
                image::Rgb([g, b, r])
            });
            let turned = imageops::rotate90(&tile);
            let [dyed, turned] =
                [dyed, turned].map(|image| structure_distance(&layout, &features(&image).unwrap()));
            kept += usize::from(dyed < turned);
            assert!(structure_distance(&layout, &layout) < 1e-20);
        }
        // Swapped colours are nearer than a turned picture.
        let all = composed.pictures.len();
        assert!(kept >= 10, "{kept} of {all}");
        assert!(seen >= 10, "{seen} of {all}");
    }
}
