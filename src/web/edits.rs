//! What edits begin with: the pictures that the page gave, and the latents that were found for them.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use super::{
    messages::{Said, SourceName},
    port::{Id, Port, rgba},
    traces::Traces,
};
use crate::{
    error::{Error, Result},
    guidance::edit::Kept,
    picture::{self, Picture, png},
    session::{Edit, Event, Framed, Job, Origin, Run, Session, Source, Traced},
    weights::fingerprint::sha256,
};

/// Pictures are held as long as they are not more than this together; the newest always is.
const PICTURE_BYTES: usize = 192 << 20;
/// Sources whose latents are held: at 512 pixels and 50 steps, 3 MB each.
const SOURCES: usize = 6;

/// What edits begin with.
pub struct Edits {
    port: Rc<Port>,
    /// Pictures by the sums of their files, newest first.
    pictures: RefCell<VecDeque<(String, Rc<Picture>)>>,
    /// Newest first.
    sources: RefCell<VecDeque<Rc<Found>>>,
    /// The features of the last source, which are on the device, and what they depend on.
    kept: RefCell<Option<(String, Kept)>>,
}

/// A source whose latents were found.
struct Found {
    traced: Traced,
    reconstruction: Picture,
}

impl Edits {
    /// Nothing is held yet.
    pub fn new(port: Rc<Port>) -> Self {
        Self {
            port,
            pictures: RefCell::default(),
            sources: RefCell::default(),
            kept: RefCell::default(),
        }
    }

    /// Lets go of what is on the device.
    pub fn leave_device(&self) {
        self.kept.take();
    }

    /// Lets go of what the model on the device made.
    pub fn leave_model(&self) {
        self.leave_device();
        self.sources.take();
    }

    /// Reads a picture and keeps it.
    ///
    /// # Errors
    /// When it is none that can be read.
    pub fn hold(&self, bytes: &[u8]) -> Result<Said> {
        let opened = picture::open(bytes)?;
        let sum = sha256(bytes);
        let said = Said::Held {
            sha256: sum.clone(),
            width: opened.picture.width_px(),
            height: opened.picture.height_px(),
            warnings: opened.warnings,
        };
        let mut pictures = self.pictures.borrow_mut();
        pictures.retain(|(other, _)| *other != sum);
        pictures.push_front((sum, Rc::new(opened.picture)));
        let mut bytes = 0;
        let mut fits = |picture: &Picture| {
            bytes += picture.rgb().len();
            bytes <= PICTURE_BYTES
        };
        let fitting = pictures.iter().take_while(|(_, one)| fits(one)).count();
        pictures.truncate(fitting.max(1));
        Ok(said)
    }

    /// The picture whose file has this sum.
    pub fn held(&self, sha256: &str) -> Option<Rc<Picture>> {
        let pictures = self.pictures.borrow();
        let held = pictures.iter().find(|(sum, _)| sum == sha256);
        held.map(|(_, picture)| picture.clone())
    }

    /// The picture that a job's edit begins with; none where it begins with a generated one.
    fn picture(&self, job: &Job) -> Result<Option<Rc<Picture>>> {
        let Some(Source::Picture { path, sha256, .. }) = job.edit.as_ref().map(|edit| &edit.source)
        else {
            return Ok(None);
        };
        let picture = self.held(sha256).ok_or_else(|| {
            Error::Request(format!(
                "the picture {path} that this edit begins with is not here: drop it on the page"
            ))
        })?;
        Ok(Some(picture))
    }

    /// Lets go of all latents, those in the browser's storage too.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn forget(&self) -> Result<()> {
        self.sources.take();
        match Traces::open().await {
            Some(traces) => traces.clear().await,
            None => Ok(()),
        }
    }

    /// Begins an edit, after finding its source's latents if they are neither held nor stored. The page sees the source first.
    /// `print` is what sets the model apart from all others; without it nothing is stored. `tell` hears what happens meanwhile,
    /// and says whether to go on.
    ///
    /// # Errors
    /// When the picture is not held, the job is wrong, or the device fails.
    pub async fn start(
        &self,
        id: Id,
        job: &Job,
        session: &Session,
        print: Option<&str>,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<Run> {
        let picture = self.picture(job)?;
        let framed = Framed::new(job, picture.as_deref(), &session.blueprint().traits)?;
        if let Some(picture) = &framed.picture {
            self.show(id, SourceName::Picture, picture, None)?;
        }
        for message in &framed.warnings {
            let message = message.clone();
            self.port.event(id, Event::Warning { message });
        }
        let dtype = session.device().dtype();
        // What is held is forgotten when another model is loaded: there its name will do for what it is.
        let model = print.unwrap_or(&job.model);
        let origin = Origin::new(&framed.job, model, framed.picture.as_ref(), dtype);
        let is_lasting = print.is_some();
        let held = self.found(&origin);
        let found = match held {
            Some(found) => found,
            None => {
                self.find(session, &framed, origin, is_lasting, tell)
                    .await?
            }
        };
        let asked = framed.job.job();
        if asked.edit.as_ref().is_some_and(Edit::is_remade) {
            let own = asked.of_reconstruction();
            self.show(id, SourceName::Reconstruction, &found.reconstruction, own)?;
        }
        let kept = framed
            .may_keep()
            .then(|| self.kept(&framed, &found.traced.origin));
        session.start_edit(framed.job, &found.traced, kept)
    }

    fn found(&self, origin: &Origin) -> Option<Rc<Found>> {
        let sources = self.sources.borrow();
        let mut held = sources.iter();
        held.find(|found| found.traced.origin == *origin).cloned()
    }

    async fn find(
        &self,
        session: &Session,
        framed: &Framed,
        origin: Origin,
        is_lasting: bool,
        tell: &mut dyn FnMut(Event) -> bool,
    ) -> Result<Rc<Found>> {
        let traces = if is_lasting {
            Traces::open().await
        } else {
            None
        };
        let traced = match &traces {
            Some(traces) => lasting(traces, session, framed, origin, tell).await?,
            None => trace(session, framed, origin, tell).await?,
        };
        let reconstruction = session.picture(&framed.job, &traced.reconstruction).await?;
        let found = Rc::new(Found {
            traced,
            reconstruction,
        });
        let mut sources = self.sources.borrow_mut();
        sources.push_front(found.clone());
        sources.truncate(SOURCES);
        Ok(found)
    }

    /// The features of a source, which are the same for edits that differ in their prompts alone.
    fn kept(&self, framed: &Framed, origin: &Origin) -> Kept {
        let alike = Job {
            prompt: String::new(),
            seed: 0,
            ..framed.job.job().clone()
        };
        let name = format!("{} {}", origin.name(), alike.to_json());
        let mut last = self.kept.borrow_mut();
        match &*last {
            Some((other, kept)) if *other == name => kept.clone(),
            _ => last.insert((name, Kept::new())).1.clone(),
        }
    }

    fn show(&self, id: Id, what: SourceName, picture: &Picture, job: Option<Job>) -> Result<()> {
        let notes = png::Notes {
            guidestar: job.as_ref().map(Job::to_json),
            ..png::Notes::default()
        };
        let file = png::encode(picture, &notes)?;
        let said = Said::Source {
            what,
            width: picture.width_px(),
            height: picture.height_px(),
            job: job.map(Box::new),
        };
        let pixels = rgba(picture);
        self.port
            .say_with(id, &said, &[("rgba", &pixels), ("png", &file)]);
        Ok(())
    }
}

/// The latents of a source that are stored, or that are found and stored now.
async fn lasting(
    traces: &Traces,
    session: &Session,
    framed: &Framed,
    origin: Origin,
    tell: &mut dyn FnMut(Event) -> bool,
) -> Result<Traced> {
    if let Some(stored) = traces.read(&origin).await {
        return Ok(stored);
    }
    let traced = trace(session, framed, origin, tell).await?;
    if let Err(error) = traces.keep(&traced).await {
        log::warn!("the source's latents are not stored: {error}");
    }
    Ok(traced)
}

/// Finds the latents of a source.
async fn trace(
    session: &Session,
    framed: &Framed,
    origin: Origin,
    tell: &mut dyn FnMut(Event) -> bool,
) -> Result<Traced> {
    let mut trace = session.trace(&framed.job, origin, framed.picture.as_ref())?;
    while let Some(event) = trace.step().await? {
        if !tell(event) {
            return Err(Error::Interrupted);
        }
    }
    let traced = trace.take();
    Ok(traced.expect("a trace that ended has found its latents"))
}
