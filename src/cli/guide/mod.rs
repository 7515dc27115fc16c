//! `guide`: pictures that guides pull towards something, beside those that they do not.

mod beside;
mod flags;
mod networks;
mod rank;
mod targets;

use anyhow::{Context, Result, bail};

pub use flags::Guide;
pub use rank::{EXAMPLES as RANK_EXAMPLES, Rank, rank};

use super::{
    believed::Believed,
    exit::Exit,
    flags::Talk,
    generate::{self, Opened, saved},
    stop,
};
use crate::{
    picture::{self, Picture, png},
    session::{
        Event, Job, Latents, Made,
        guide::{Judge, judged, judges, scores, together},
    },
};

/// Shown behind the help.
pub const EXAMPLES: &str = "\
Examples:
  guidestar guide \"a red apple\" --colour \"#3060c0\"
  guidestar guide \"a fox\" --inpaint photo.png --mask known.png
  guidestar guide \"a cat\" --edges drawing.png --trials 8 --keep 2
  guidestar guide \"a lion\" --enlarge small.png --factor 4 --preset reference --recurrences 2
  guidestar guide \"a castle\" --blur photo.png --colour \"#d08040\" --weight colour=0.5

A guide looks at the picture that each step believes in and says how far it is from what is wanted;
the gradient of that steers. The preset fast improves that picture alone, reference goes back through
the whole network. Beside each picture stand the unguided one, what the steps believed in, and how
the losses fell.";

/// A picture that was made, and how good its judges find it.
struct Tried {
    seed: u64,
    picture: Picture,
    bytes: Vec<u8>,
    latents: Vec<f32>,
    score: f64,
}

/// Makes pictures that guides pull towards something.
///
/// # Errors
/// When the request is wrong or the job fails.
pub fn guide(flags: &Guide, talk: Talk) -> Result<Exit> {
    let job = flags.job()?;
    let mut opened = Opened::open(&job, flags.generate.place, &flags.generate.output, talk)?;
    let count = opened.job.job().count;
    let judges = ready(&opened)?;
    let mut tried = Vec::new();
    for which in 0..count {
        let Some(one) = one(&mut opened, &judges, which, flags.results.bare)? else {
            opened.report.event(&Event::Stopped {
                finished: which,
                of: count,
            });
            sum_up(&mut opened, &judges, tried, flags)?;
            return Ok(Exit::Interrupted);
        };
        tried.push(one);
    }
    sum_up(&mut opened, &judges, tried, flags)?;
    Ok(Exit::Done)
}

/// Who judges what will be made.
fn ready(opened: &Opened) -> Result<Vec<Judge>> {
    let guide = opened.job.job().guide.as_ref();
    let guides = guide.map_or(&[][..], |guide| &guide.guides);
    let (device, size) = (opened.session.device(), opened.job.size);
    let ready = judges(guides, &opened.aims, &opened.materials, size, device);
    Ok(pollster::block_on(ready)?)
}

/// Makes one seed's pictures and stores them at once; nothing when the person asked to stop.
fn one(opened: &mut Opened, judges: &[Judge], which: usize, bare: bool) -> Result<Option<Tried>> {
    let count = opened.job.job().count;
    let seed = opened.job.job().seed + which as u64;
    let plain = if bare {
        None
    } else {
        let Some((plain, _)) = make(opened, which, seed, false)? else {
            return Ok(None);
        };
        Some(plain)
    };
    let Some((made, believed)) = make(opened, which, seed, true)? else {
        return Ok(None);
    };
    let bytes = png::encode(&made.picture, &made.notes)?;
    let path = opened.out.picture(seed, count);
    let lost = || format!("the picture of seed {seed} is lost");
    opened.out.write(&path, &bytes).with_context(lost)?;
    opened.report.event(&saved(&path, "picture"));
    if let Some(plain) = &plain {
        beside::store(opened, seed, [plain, &made], &believed)?;
    }
    let plain = plain.map(|plain| {
        let scores = scores(&opened.aims, &plain.picture, opened.session.device());
        Opinion::of(opened, judges, &plain.picture, pollster::block_on(scores)?)
    });
    let own = Opinion::of(opened, judges, &made.picture, made.scores.clone())?;
    tell(opened, judges, &made, &own, plain.transpose()?.as_ref());
    Ok(Some(Tried {
        seed,
        score: together(judges, &own.verdicts),
        latents: made.latents,
        picture: made.picture,
        bytes,
    }))
}

/// Makes one picture, and remembers what its steps believed in.
fn make(
    opened: &mut Opened,
    which: usize,
    seed: u64,
    guided: bool,
) -> Result<Option<(Made, Believed)>> {
    let first = which == 0 && guided;
    let asked = opened.job.job().clone();
    let alone = Job {
        seed,
        count: 1,
        guide: asked.guide.filter(|_| guided),
        ..asked
    };
    let checked = alone.check(&opened.session.blueprint().traits)?;
    let latents = opened.latents.as_ref().map(|latents| Latents {
        size: latents.size,
        rows: vec![latents.rows[which.min(latents.rows.len() - 1)].clone()],
    });
    let aims = if guided {
        opened.aims.clone()
    } else {
        Vec::new()
    };
    let mut run = opened.session.start_with(checked, latents, aims)?;
    let mut believed = Believed::default();
    while let Some(event) = pollster::block_on(run.step())? {
        // A warning is about the prompt, which is the same every time.
        if first || !matches!(event, Event::Warning { .. }) {
            opened.report.event(&event);
        }
        if guided {
            believed.see(&run, &event)?;
        }
        if let Some(made) = run.take() {
            return Ok(Some((made, believed)));
        }
        if stop::asked() {
            return Ok(None);
        }
    }
    bail!("the run ended without a picture")
}

/// What is said of a picture.
struct Opinion {
    /// By the guides.
    scores: Vec<(String, f32)>,
    /// By who judges in their place.
    verdicts: Vec<f32>,
}

impl Opinion {
    /// Of a picture of which the guides say `scores`.
    fn of(
        opened: &Opened,
        judges: &[Judge],
        picture: &Picture,
        scores: Vec<(String, f32)>,
    ) -> Result<Self> {
        let device = opened.session.device();
        let verdicts = pollster::block_on(judged(judges, &scores, picture, device))?;
        Ok(Self { scores, verdicts })
    }
}

/// Says how good guides and judges find a picture, and the unguided one.
fn tell(opened: &Opened, judges: &[Judge], made: &Made, own: &Opinion, plain: Option<&Opinion>) {
    let both = |score: f32, unguided: Option<f32>| {
        let unguided = unguided.map(|score| format!(", {score:.4} unguided"));
        format!("{score:.4}{}", unguided.unwrap_or_default())
    };
    for (at, (guide, score)) in own.scores.iter().enumerate() {
        let said = both(*score, plain.map(|plain| plain.scores[at].1));
        opened
            .report
            .say(&format!("seed {}: {guide} scores {said}", made.seed));
        if judges[at].is_held_out() {
            let said = both(own.verdicts[at], plain.map(|plain| plain.verdicts[at]));
            opened.report.say(&format!("  who did not guide: {said}"));
        }
    }
    let lost = made.turns.iter().filter(|(_, turn)| turn.lost > 0).count();
    if lost > 0 {
        opened.report.say(&format!(
            "seed {}: {lost} turns went on unguided, their gradients were no numbers",
            made.seed
        ));
    }
    if let Some(skipped) = made.skipped() {
        opened.report.say(&format!("seed {}: {skipped}", made.seed));
    }
}

/// Ranks what was made, keeps the best where that is asked for, and lays everything out on a sheet.
fn sum_up(
    opened: &mut Opened,
    judges: &[Judge],
    mut tried: Vec<Tried>,
    flags: &Guide,
) -> Result<()> {
    if let Some(path) = opened.out.latents().filter(|_| !tried.is_empty()) {
        let latents: Vec<_> = tried.iter().map(|one| one.latents.clone()).collect();
        let size = opened.job.latent_size();
        generate::save_latents(&path, size, &latents, &mut opened.report)?;
    }
    if tried.len() < 2 {
        return Ok(());
    }
    tried.sort_by(|a, b| rank::best_first(a.score, b.score));
    opened.report.say(&rank::by_whom(judges));
    for (place, one) in tried.iter().enumerate() {
        let line = format!("{}. seed {}, score {:.4}", place + 1, one.seed, one.score);
        opened.report.say(&line);
    }
    for (place, one) in tried
        .iter()
        .take(flags.results.keep.unwrap_or(0))
        .enumerate()
    {
        let path = opened.out.named(&format!("best {}", place + 1));
        opened.out.write(&path, &one.bytes)?;
        opened.report.event(&saved(&path, "best"));
    }
    let cells = tried.iter().map(|one| (one.seed, one.picture.clone()));
    let sheet = picture::sheet(&cells.collect::<Vec<_>>());
    let path = opened.out.sheet();
    let bytes = png::encode(&sheet, &png::Notes::default())?;
    opened.out.write(&path, &bytes)?;
    opened.report.event(&saved(&path, "sheet"));
    Ok(())
}
