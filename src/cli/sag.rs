//! `sag`: the same seed with and without self-attention guidance, side by side, and what it looked at.

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{
    believed::Believed,
    exit::Exit,
    flags::{Generate, Talk},
    generate::{Opened, saved},
    report::Report,
    stop,
};
use crate::{
    error::Error,
    guidance::SagSettings,
    picture::{self, Picture, png},
    session::{Event, Job, Latents, Made, StepMap},
};

/// Pictures in a row of a comparison.
const COLUMNS: usize = 4;
/// Pictures in a row of the masks of all steps.
const MASK_COLUMNS: usize = 10;

/// `guidestar sag`
#[derive(Debug, Args)]
pub struct Sag {
    /// What to make, and how.
    #[command(flatten)]
    pub generate: Generate,
    /// Scales to set side by side instead of the one of --sag-scale: 0.25,0.5,1.
    #[arg(
        long,
        value_name = "X,X,...",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    pub compare: Vec<f64>,
    /// Also write the mask of every step.
    #[arg(long)]
    pub masks: bool,
    /// Also write what each step believed in.
    #[arg(long)]
    pub previews: bool,
}

/// Makes pictures with and without self-attention guidance.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn sag(flags: &Sag, talk: Talk) -> Result<Exit> {
    let mut job = flags.generate.job()?;
    let settings = flags.generate.steering.sag();
    let scales = if flags.compare.is_empty() {
        vec![settings.scale]
    } else {
        flags.compare.clone()
    };
    // Checked with a scale that does something: one of 0 would not be heard in the memory that is stated.
    for &scale in &scales {
        job.sag = Some(SagSettings {
            scale,
            ..settings.clone()
        });
    }
    if let Some(scale) = scales.iter().find(|scale| !scale.is_finite()) {
        let text = format!("a SAG scale of {scale} is no number to work with");
        return Err(Error::Request(text).into());
    }
    let mut opened = Opened::open(&job, flags.generate.place, &flags.generate.output, talk)?;
    let count = opened.job.job().count;
    let mut latents = Vec::new();
    for which in 0..count {
        let mut pair = Pair::new(&opened, which);
        let Some(plain) = pair.make(&mut opened, None, None)? else {
            return Ok(interrupted(&mut opened.report, which, count));
        };
        let mut cells = vec![("no SAG".to_owned(), plain.picture.clone())];
        pair.save(&opened, &plain, "plain")?.tell(&mut opened);
        for &scale in &scales {
            let asked = SagSettings {
                scale,
                ..settings.clone()
            };
            let mut believed = flags.previews.then(Believed::default);
            let Some(made) = pair.make(&mut opened, Some(asked), believed.as_mut())? else {
                return Ok(interrupted(&mut opened.report, which, count));
            };
            let name = match scales[..] {
                [_] => "sag".to_owned(),
                _ => format!("sag-{scale}"),
            };
            pair.save(&opened, &made, &name)?.tell(&mut opened);
            pair.save_masks(&mut opened, &made, &name, flags.masks)?;
            if let Some(believed) = believed {
                let bytes = png::encode(&believed.strip(), &made.notes)?;
                let name = format!("{name}-steps");
                pair.write(&opened, &name, "steps", &bytes)?
                    .tell(&mut opened);
            }
            cells.push((format!("SAG {scale}"), made.picture.clone()));
            latents.push(made.latents.clone());
            pair.last = Some(made);
        }
        pair.save_comparison(&mut opened, &cells)?;
    }
    if let Some(path) = opened.out.latents() {
        let size = opened.job.latent_size();
        super::generate::save_latents(&path, size, &latents, &mut opened.report)?;
    }
    Ok(Exit::Done)
}

fn interrupted(report: &mut Report, finished: usize, of: usize) -> Exit {
    report.event(&Event::Stopped { finished, of });
    Exit::Interrupted
}

/// One seed, made in several ways.
struct Pair {
    seed: u64,
    which: usize,
    count: usize,
    last: Option<Made>,
}

/// A file that was written.
struct Written(Event);

impl Written {
    fn tell(self, opened: &mut Opened) {
        opened.report.event(&self.0);
    }
}

impl Pair {
    fn new(opened: &Opened, which: usize) -> Self {
        let job = opened.job.job();
        Self {
            seed: job.seed + which as u64,
            which,
            count: job.count,
            last: None,
        }
    }

    /// Makes this seed's picture; nothing when the person asked to stop.
    fn make(
        &self,
        opened: &mut Opened,
        sag: Option<SagSettings>,
        mut believed: Option<&mut Believed>,
    ) -> Result<Option<Made>> {
        let first = self.which == 0 && sag.is_none();
        let alone = Job {
            seed: self.seed,
            count: 1,
            sag,
            ..opened.job.job().clone()
        };
        let checked = alone.check(&opened.session.blueprint().traits)?;
        let latents = opened.latents.as_ref().map(|latents| Latents {
            size: latents.size,
            rows: vec![latents.rows[self.which.min(latents.rows.len() - 1)].clone()],
        });
        let mut run = opened.session.start(checked, latents)?;
        while let Some(event) = pollster::block_on(run.step())? {
            // A warning is about the prompt, which is the same every time.
            if first || !matches!(event, Event::Warning { .. }) {
                opened.report.event(&event);
            }
            if let Some(believed) = &mut believed {
                believed.see(&run, &event)?;
            }
            if let Some(made) = run.take() {
                return Ok(Some(made));
            }
            if stop::asked() {
                return Ok(None);
            }
        }
        bail!("the run ended without a picture")
    }

    fn save(&self, opened: &Opened, made: &Made, name: &str) -> Result<Written> {
        let bytes = png::encode(&made.picture, &made.notes)?;
        self.write(opened, name, "picture", &bytes)
    }

    fn write(&self, opened: &Opened, name: &str, what: &str, bytes: &[u8]) -> Result<Written> {
        let path = opened.out.variant(self.seed, self.count, name);
        let lost = || format!("the picture of seed {} is lost", self.seed);
        opened.out.write(&path, bytes).with_context(lost)?;
        Ok(Written(saved(&path, what)))
    }

    /// The pictures side by side. They remember the job of the last one.
    fn save_comparison(&self, opened: &mut Opened, cells: &[(String, Picture)]) -> Result<()> {
        let notes = self.last.as_ref().map(|made| made.notes.clone());
        let strip = picture::strip(cells, COLUMNS);
        let bytes = png::encode(&strip, &notes.unwrap_or_default())?;
        self.write(opened, "compare", "comparison", &bytes)?
            .tell(opened);
        Ok(())
    }

    /// Where it blurred: the share of the steps over the picture, and every step by itself when that is wanted.
    fn save_masks(&self, opened: &mut Opened, made: &Made, name: &str, every: bool) -> Result<()> {
        let Some((size, mean)) = mean(&made.maps) else {
            return Ok(());
        };
        let marked = picture::overlay(&made.picture, &mean, size);
        let bytes = png::encode(&marked, &made.notes)?;
        let name = format!("{name}-mask");
        self.write(opened, &name, "mask", &bytes)?.tell(opened);
        if every {
            let cell = |map: &StepMap| {
                let marked = picture::overlay(&made.picture, &map.values, map.size);
                (format!("step {}", map.step + 1), marked)
            };
            let cells: Vec<_> = made.maps.iter().map(cell).collect();
            let bytes = png::encode(&picture::strip(&cells, MASK_COLUMNS), &made.notes)?;
            self.write(opened, &format!("{name}s"), "masks", &bytes)?
                .tell(opened);
        }
        Ok(())
    }
}

/// The mean of the maps of all steps, if there are any, and its size.
fn mean(maps: &[StepMap]) -> Option<([usize; 2], Vec<f32>)> {
    let size = maps.first()?.size;
    let share = (maps.len() as f32).recip();
    let mut mean = vec![0.0; size[0] * size[1]];
    for map in maps {
        for (sum, value) in mean.iter_mut().zip(&map.values) {
            *sum += share * value;
        }
    }
    Some((size, mean))
}
