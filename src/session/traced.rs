//! The latents of an edit's source at every noise level, in files.

use std::{collections::HashMap, rc::Rc};

use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::{Latents, origin::Origin};
use crate::{
    diffusion::{Level, Trajectory, noise},
    error::{Error, Result},
    tensor::Shape,
    weights::{WeightSource, header::Header, recognise::require_safetensors, tensors::Tensors},
};

/// The latents of an edit's source.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// What they depend on.
    pub origin: Origin,
    /// The latents at every level.
    pub trajectory: Rc<Trajectory>,
    /// What sampling makes of the noisiest ones without an edit, `[h, w, 4]`: the source as the model remembers it.
    pub reconstruction: Vec<f32>,
}

const CHANNELS: usize = 4;
/// Names in the file: the key of the description, and of the two tensors, `[levels, 4, h, w]` and `[1, 4, h, w]`.
const ABOUT: &str = "guidestar.trajectory";
const LATENTS: &str = "latents";
const RECONSTRUCTION: &str = "reconstruction";

/// What a file says of its latents.
#[derive(Serialize, Deserialize)]
struct About {
    origin: Origin,
    /// The training timestep and the share of the signal at each level, cleanest first. The share is written as text, because
    /// readers of JSON may be off by the last bit of a number, and a level is known by all of its bits.
    levels: Vec<(usize, String)>,
}

impl Traced {
    /// The noisiest latents, as a job takes them instead of noise.
    pub fn noisiest(&self) -> Latents {
        let size = self.trajectory.size();
        let shape = Shape::from([1, size[0], size[1], CHANNELS]);
        Latents {
            size,
            rows: vec![noise::channels_first(self.trajectory.noisiest(), &shape)],
        }
    }

    /// The bytes of a safetensors file that holds all of this.
    ///
    /// # Panics
    /// Never: the tensors fit their shapes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let [h, w] = self.trajectory.size();
        let levels = self.trajectory.levels();
        let about = About {
            origin: self.origin.clone(),
            levels: levels
                .iter()
                .map(|level| (level.t, level.alphas_cumprod.to_string()))
                .collect(),
        };
        let about = serde_json::to_string(&about).expect("it is strings and finite numbers");
        let bytes = |latents: &[Vec<f32>]| -> Vec<u8> {
            let shape = Shape::from([1, h, w, CHANNELS]);
            let rows = latents
                .iter()
                .flat_map(|row| noise::channels_first(row, &shape));
            rows.flat_map(f32::to_le_bytes).collect()
        };
        let stored = bytes(self.trajectory.latents());
        let reconstruction = bytes(std::slice::from_ref(&self.reconstruction));
        let view = |count: usize, bytes| {
            let shape = vec![count, CHANNELS, h, w];
            TensorView::new(Dtype::F32, shape, bytes).expect("there are as many as the shape says")
        };
        let tensors = [
            (LATENTS, view(levels.len(), &stored)),
            (RECONSTRUCTION, view(1, &reconstruction)),
        ];
        let metadata = HashMap::from([(ABOUT.to_owned(), about)]);
        safetensors::serialize(tensors, Some(metadata)).expect("the tensors are well formed")
    }

    /// Reads what [`Traced::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is not such a file, or damaged; the text says in what.
    pub async fn read(source: Rc<dyn WeightSource>) -> Result<Self> {
        let place = source.place().to_owned();
        let wrong = |problem: &str| Error::Weights {
            place: place.clone(),
            problem: problem.to_owned(),
        };
        require_safetensors(&*source).await?;
        let header = Header::read(&*source).await?;
        let Some(about) = header.metadata.get(ABOUT) else {
            return Err(wrong(
                "it is no trajectory that guidestar stored: make one with guidestar invert",
            ));
        };
        let about: About = serde_json::from_str(about).map_err(|error| {
            wrong(&format!(
                "what it says of itself cannot be read, so that it is damaged or of another version: {error}"
            ))
        })?;
        let levels = levels(&about.levels)
            .ok_or_else(|| wrong("its noise levels do not rise: it is damaged"))?;
        let mut tensors = Tensors::default();
        tensors.add(source, &header, |name| Some(name.to_owned()))?;
        let (size, mut rows) = read_rows(&tensors, LATENTS, levels.len(), &wrong).await?;
        let (other, mut last) = read_rows(&tensors, RECONSTRUCTION, 1, &wrong).await?;
        if size != other {
            return Err(wrong("its latents are of two sizes: it is damaged"));
        }
        let mut rest = rows.split_off(1).into_iter();
        let clean = rows.pop().ok_or_else(|| wrong("it holds no latents"))?;
        let mut trajectory = Trajectory::new(size, levels[0], clean);
        for level in &levels[1..] {
            let latents = rest
                .next()
                .ok_or_else(|| wrong("it holds too few latents"))?;
            trajectory.push(*level, latents);
        }
        let reconstruction = last.pop().ok_or_else(|| wrong("it holds no latents"))?;
        Ok(Self {
            origin: about.origin,
            trajectory: Rc::new(trajectory),
            reconstruction,
        })
    }
}

/// Levels from the cleanest, each noisier than the one before; `None` when they are not.
fn levels(said: &[(usize, String)]) -> Option<Vec<Level>> {
    let level = |(t, share): &(usize, String)| {
        let alphas_cumprod: f64 = share.parse().ok()?;
        let possible = alphas_cumprod > 0.0 && alphas_cumprod <= 1.0;
        possible.then_some(Level {
            alphas_cumprod,
            t: *t,
        })
    };
    let levels: Vec<Level> = said.iter().map(level).collect::<Option<_>>()?;
    let rising = levels
        .windows(2)
        .all(|pair| pair[1].alphas_cumprod < pair[0].alphas_cumprod);
    (rising && !levels.is_empty()).then_some(levels)
}

/// Height and width, and so many rows of `[h, w, 4]`.
async fn read_rows(
    tensors: &Tensors,
    name: &str,
    count: usize,
    wrong: &dyn Fn(&str) -> Error,
) -> Result<([usize; 2], Vec<Vec<f32>>)> {
    let stored = tensors.stored().iter().find(|stored| stored.name == name);
    let stored = stored.ok_or_else(|| wrong(&format!("it has no tensor {name:?}")))?;
    let shape = &stored.entry.shape;
    let &[rows, CHANNELS, h, w] = &shape[..] else {
        return Err(wrong(&format!(
            "its {name} are {shape:?}, and latents are [levels, {CHANNELS}, height / 8, width / 8]"
        )));
    };
    if rows != count || h * w == 0 {
        return Err(wrong(&format!(
            "its {name} are {shape:?}, for {count} levels"
        )));
    }
    let mut elements = Vec::new();
    let mut reader = tensors.reader();
    let mut take = |piece: &[f32]| {
        elements.extend_from_slice(piece);
        Ok(())
    };
    reader.read(stored, &mut take).await?;
    let shape = Shape::from([1, h, w, CHANNELS]);
    let rows = elements.chunks_exact(CHANNELS * h * w);
    let rows = rows.map(|row| noise::channels_last(row, &shape));
    Ok(([h, w], rows.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diffusion::schedule::PredictionType,
        models::config::UnetConfig,
        picture::Picture,
        session::{Edit, Job, Size, Source, Traits},
        tensor::DType,
        weights::Memory,
    };

    fn origin(model: &str, side: usize, colour: u8, prompt: &str) -> Origin {
        let source = Source::Picture {
            path: "a.png".to_owned(),
            sha256: String::new(),
            prompt: prompt.to_owned(),
            crop: None,
        };
        let job = Job {
            size: Some(Size::square(side)),
            edit: Some(Edit::of(source)),
            ..Job::default()
        };
        let traits = Traits {
            size: Size::square(128),
            steps: 25,
            cfg_scale: 7.5,
            reduction: 8,
            prediction: PredictionType::Epsilon,
            unet: UnetConfig::tiny(),
        };
        let picture = Picture::filled(side, side, [colour; 3]);
        let checked = job.check(&traits).unwrap();
        Origin::new(&checked, model, Some(&picture), DType::F32)
    }

    fn traced() -> Traced {
        let level = |t, alphas_cumprod| Level { alphas_cumprod, t };
        let latents = |from: u8| (from..from + 24).map(f32::from).collect::<Vec<_>>();
        let mut trajectory = Trajectory::new([2, 3], level(0, 0.999), latents(0));
        trajectory.push(level(1, 0.5), latents(1));
        trajectory.push(level(21, 0.1 + 0.2), latents(2));
        Traced {
            origin: origin("m", 64, 7, ""),
            trajectory: Rc::new(trajectory),
            reconstruction: latents(9),
        }
    }

    fn read(bytes: Vec<u8>) -> Result<Traced> {
        let source = Rc::new(Memory::new("file", bytes));
        pollster::block_on(Traced::read(source))
    }

    #[test]
    fn a_trajectory_survives_its_file() {
        assert_eq!(read(traced().to_bytes()).unwrap(), traced());
    }

    #[test]
    fn every_level_of_a_schedule_survives_to_the_bit() {
        let mut share = 1.0;
        let mut level = |t: usize| {
            share *= 1.0 - (0.000_85 + 0.000_011 * t as f64);
            Level {
                alphas_cumprod: share,
                t,
            }
        };
        let row = vec![0.0; 4];
        let mut trajectory = Trajectory::new([1, 1], level(0), row.clone());
        for t in 1..1000 {
            trajectory.push(level(t), row.clone());
        }
        let traced = Traced {
            origin: origin("m", 8, 7, ""),
            trajectory: Rc::new(trajectory),
            reconstruction: row,
        };
        let found = read(traced.to_bytes()).unwrap();
        assert_eq!(found.trajectory.levels(), traced.trajectory.levels());
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = traced().to_bytes();
        for length in 0..whole.len() {
            assert!(read(whole[..length].to_vec()).is_err(), "{length}");
        }
        let swap = |from: &str, to: &str| {
            let text: String = whole.iter().map(|&byte| char::from(byte)).collect();
            assert!(text.contains(from), "{from}");
            text.replace(from, to).chars().map(|c| c as u8).collect()
        };
        for (from, to) in [
            ("guidestar.trajectory", "guidestar.trajectorz"),
            ("[1,\"0.5\"]", "[1,\"0.1\"]"),
            ("[1,\"0.5\"]", "[1,\"1.5\"]"),
            ("[1,\"0.5\"]", "[1,\"1/2\"]"),
            ("\"steps\"", "\"stepz\""),
            ("latents\"", "latentz\""),
        ] {
            for from in [from.to_owned(), from.replace('"', "\\\"")] {
                if whole
                    .windows(from.len())
                    .any(|bytes| bytes == from.as_bytes())
                {
                    assert!(
                        read(swap(&from, &to.replace('"', "\\\""))).is_err(),
                        "{from} {to}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_trajectory_of_something_else_is_refused_by_what_differs() {
        let own = origin("m", 64, 7, "");
        for (asked, word) in [
            (origin("n", 64, 7, ""), "another model"),
            (origin("m", 128, 7, ""), "64x64"),
            (origin("m", 64, 8, ""), "another picture"),
            (origin("m", 64, 7, "a fox"), "a fox"),
        ] {
            let refusal = own.require(&asked, "file").unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
            assert_ne!(own.name(), asked.name());
        }
        own.require(&origin("m", 64, 7, ""), "file").unwrap();
    }
}
