//! What stands beside a guided picture: the unguided one, what the steps believed in, and how the losses fell.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};

use crate::{
    cli::{
        believed::Believed,
        generate::{Opened, saved},
    },
    picture::{self, Framing, Picture, chart, png},
    session::{Made, Target},
};

/// Pictures in a row of a comparison.
const COLUMNS: usize = 4;
const CHART_PX: [usize; 2] = [320, 120];

/// Stores it all.
///
/// # Errors
/// When that fails.
pub fn store(
    opened: &mut Opened,
    seed: u64,
    [plain, made]: [&Made; 2],
    believed: &Believed,
) -> Result<()> {
    let count = opened.job.job().count;
    let mut cells = wanted(opened)?;
    cells.push(("unguided".to_owned(), plain.picture.clone()));
    cells.push(("guided".to_owned(), made.picture.clone()));
    let strips = [
        ("compare", "comparison", picture::strip(&cells, COLUMNS)),
        ("steps", "steps", believed.strip()),
    ];
    let curves = curves(made);
    let charts = (!curves.is_empty()).then(|| picture::strip(&drawn(&curves), 1));
    let charts = charts.map(|charts| ("losses", "losses", charts));
    for (name, what, strip) in strips.into_iter().chain(charts) {
        let path = opened.out.variant(seed, count, name);
        write(opened, &path, what, &png::encode(&strip, &made.notes)?)?;
    }
    let path = opened.out.table(seed, count, "losses");
    write(opened, &path, "losses", table(made).as_bytes())
}

fn write(opened: &mut Opened, path: &Path, what: &str, bytes: &[u8]) -> Result<()> {
    let written = opened.out.write(path, bytes);
    written.with_context(|| format!("{} is lost", path.display()))?;
    opened.report.event(&saved(path, what));
    Ok(())
}

/// What guides were given, in the size of what they made.
fn wanted(opened: &Opened) -> Result<Vec<(String, Picture)>> {
    let size = opened.job.size;
    let size = [size.width_px, size.height_px];
    let guides = opened
        .job
        .job()
        .guide
        .iter()
        .flat_map(|guide| &guide.guides);
    let mut cells = Vec::new();
    for guiding in guides {
        let target = &guiding.target;
        if let Target::Colour { rgb } = target {
            let filled = Picture::filled(size[0], size[1], *rgb);
            cells.push((target.name().to_owned(), filled));
        }
        for file in target.pictures() {
            if let Some(picture) = opened.materials.pictures.get(file) {
                let framed = Framing::default().apply(picture, size)?;
                cells.push((target.name().to_owned(), framed));
            }
        }
    }
    Ok(cells)
}

/// The losses of each guide, turn by turn.
fn curves(made: &Made) -> Vec<(String, Vec<f32>)> {
    let mut curves: Vec<(String, Vec<f32>)> = Vec::new();
    for (guide, losses) in made.turns.iter().flat_map(|(_, turn)| &turn.each) {
        match curves.iter_mut().find(|(known, _)| known == guide) {
            Some((_, curve)) => curve.push(losses[0]),
            None => curves.push((guide.clone(), vec![losses[0]])),
        }
    }
    curves
}

fn drawn(curves: &[(String, Vec<f32>)]) -> Vec<(String, Picture)> {
    let [width, height] = CHART_PX;
    let labelled = curves.iter().map(|(guide, curve)| {
        let [first, last] = [curve[0], curve[curve.len() - 1]];
        let label = format!("{guide} {first:.3} to {last:.3}");
        (label, chart(curve, width, height))
    });
    labelled.collect()
}

/// The losses as CSV: a row for each guide in each turn.
fn table(made: &Made) -> String {
    let mut text = "step,turn,guide,loss\n".to_owned();
    let mut before = (usize::MAX, 0);
    for (step, iteration) in &made.turns {
        let turn = if before.0 == *step { before.1 + 1 } else { 1 };
        before = (*step, turn);
        for (guide, losses) in &iteration.each {
            let loss = losses[0];
            writeln!(text, "{},{turn},{guide},{loss}", step + 1)
                .expect("writing to a string cannot fail");
        }
    }
    text
}
