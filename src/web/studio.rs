//! Where pictures are made: the device, the model on it, the job under way.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use super::{
    bench,
    browser::{gpu, has_adapter, now_secs, sleep},
    edits::Edits,
    guides::Guides,
    messages::{DeviceSaid, HeldKind, MapSaid, PrecisionName, Said, TraitsSaid, Unavailable},
    port::{Id, Port, rgba},
    shelf::{MINI, Shelf},
    words,
};
use crate::{
    error::{Error, Result},
    picture::png,
    session::{Blueprint, Event, Job, Made, Needs, Run, Session, StepMap, Waypoint},
    tensor::{DType, Device, GpuOptions, Precision},
    weights::{Checkpoint, fingerprint::fingerprint},
};

/// Previews may take this share of the time that sampling takes.
const PREVIEW_SHARE: f64 = 0.2;

/// How long it is waited for a loading that was told to end, before it is looked at again.
const PATIENCE_MILLIS: i32 = 10;

/// Where pictures are made.
pub struct Studio {
    port: Rc<Port>,
    shelf: Rc<Shelf>,
    /// Nothing before it was opened for the first time.
    precision: Cell<Option<Precision>>,
    device: RefCell<Option<Device>>,
    model: RefCell<Option<Rc<OnDevice>>>,
    /// The model that is being read, which no tab can remove meanwhile.
    reading: RefCell<Option<String>>,
    blueprints: RefCell<BTreeMap<String, Rc<Blueprint>>>,
    edits: Edits,
    guides: Guides,
    stop: Rc<Cell<bool>>,
}

/// The model on the device.
struct OnDevice {
    name: String,
    session: Session,
    /// Kept for [`OnDevice::print`].
    checkpoint: Checkpoint,
    print: OnceCell<String>,
}

impl OnDevice {
    /// What sets it apart from all others; nothing where it can no longer be read.
    async fn print(&self) -> Option<&str> {
        if self.print.get().is_none() {
            let print = fingerprint(&self.checkpoint).await.ok()?;
            let _ = self.print.set(print);
        }
        self.print.get().map(String::as_str)
    }
}

impl Studio {
    /// Nothing is open yet.
    pub fn new(port: Rc<Port>, shelf: Rc<Shelf>) -> Self {
        Self {
            precision: Cell::new(None),
            device: RefCell::default(),
            model: RefCell::default(),
            reading: RefCell::default(),
            edits: Edits::new(port.clone()),
            guides: Guides::new(shelf.clone()),
            shelf,
            blueprints: RefCell::default(),
            stop: Rc::default(),
            port,
        }
    }

    /// Ends what is under way within a step, or within a piece of a loading.
    pub fn stop(&self) {
        self.stop.set(true);
    }

    /// Forgets an earlier stop: something new begins.
    pub fn begin(&self) {
        self.stop.set(false);
    }

    /// The name of the model on the device.
    pub fn loaded(&self) -> Option<String> {
        self.model.borrow().as_ref().map(|model| model.name.clone())
    }

    /// The device, when it is open.
    pub fn device(&self) -> Option<Device> {
        self.device.borrow().clone()
    }

    /// Opens the device.
    pub async fn open(&self, id: Id, precision: PrecisionName) {
        self.forget();
        self.precision.set(Some(precision.into()));
        let said = match self.ready().await {
            Ok(device) => Said::Opened {
                device: said(&device),
            },
            Err(error) => unavailable(&error).await,
        };
        self.port.say(id, &said);
    }

    /// Lets go of the device and all that is on it.
    fn forget(&self) {
        self.edits.leave_device();
        self.model.take();
        self.device.take();
    }

    /// The device, opened anew if it was lost.
    async fn ready(&self) -> Result<Device> {
        if let Some(device) = self.device() {
            return Ok(device);
        }
        let Some(precision) = self.precision.get() else {
            return Err(Error::NoDevice("the GPU is not open yet".to_owned()));
        };
        let options = GpuOptions {
            precision,
            ..GpuOptions::default()
        };
        let device = Device::gpu(options).await?;
        *self.device.borrow_mut() = Some(device.clone());
        Ok(device)
    }

    /// Brings a model to the device.
    ///
    /// # Errors
    /// When there is none of that name, it cannot be read, or there is no room.
    pub async fn load(&self, id: Id, model: &str) -> Result<()> {
        let loaded = self.model(id, model).await;
        let loaded = self.noticed(id, loaded)?;
        let session = &loaded.session;
        let blueprint = session.blueprint();
        let needed = blueprint.needed()?;
        let traits = &blueprint.traits;
        self.port.say(
            id,
            &Said::Loaded {
                model: model.to_owned(),
                traits: TraitsSaid {
                    size: traits.size,
                    steps: traits.steps,
                    cfg_scale: traits.cfg_scale,
                    reduction: traits.reduction,
                },
                weight_bytes: needed.device_bytes(session.device().dtype()),
            },
        );
        Ok(())
    }

    /// The model of a name, loaded if another is on the device.
    async fn model(&self, id: Id, name: &str) -> Result<Rc<OnDevice>> {
        if let Some(loaded) = &*self.model.borrow()
            && loaded.name == name
        {
            return Ok(loaded.clone());
        }
        let device = self.ready().await?;
        // Two models at a time may be more than the device has room for.
        self.model.take();
        self.edits.leave_model();
        *self.reading.borrow_mut() = Some(name.to_owned());
        let read = self.read(id, name, &device).await;
        self.reading.take();
        let (checkpoint, session) = read?;
        let blueprint = Rc::new(session.blueprint().clone());
        self.blueprints
            .borrow_mut()
            .insert(name.to_owned(), blueprint);
        let loaded = Rc::new(OnDevice {
            name: name.to_owned(),
            session,
            checkpoint,
            print: OnceCell::new(),
        });
        *self.model.borrow_mut() = Some(loaded.clone());
        Ok(loaded)
    }

    async fn read(&self, id: Id, name: &str, device: &Device) -> Result<(Checkpoint, Session)> {
        let mut tell = |event| self.port.event(id, event);
        let (checkpoint, _held) = self.shelf.open(name, &self.stop, &mut tell).await?;
        let session = Session::open(device, name, &checkpoint, &mut tell).await?;
        Ok((checkpoint, session))
    }

    /// Lets go of a model that is going to be removed: a loading of it ends, and another of its name is read anew.
    pub async fn leave(&self, name: &str) {
        while self.reading.borrow().as_deref() == Some(name) {
            self.stop.set(true);
            sleep(PATIENCE_MILLIS).await;
        }
        self.blueprints.borrow_mut().remove(name);
        if self.loaded().as_deref() == Some(name) {
            self.model.take();
            self.edits.leave_model();
        }
    }

    /// Tells the page of a loss, after which nothing of the device is kept.
    fn noticed<T>(&self, id: Id, result: Result<T>) -> Result<T> {
        if let Err(Error::DeviceLost(message)) = &result {
            let message = message.clone();
            self.port.say(id, &Said::Lost { message });
            self.forget();
        }
        result
    }

    /// Does a job, and tells how it ends.
    pub async fn start(&self, id: Id, job: &Job, previews: bool) {
        let mut at = Waypoint::default();
        let mut result = self.work(id, job, previews, &mut at, true).await;
        if matches!(
            self.noticed(id, result.as_ref().map(drop).map_err(copy)),
            Err(Error::DeviceLost(_))
        ) {
            result = self.work(id, job, previews, &mut at, false).await;
            // Lost twice, it is not tried again; the next job opens it anew.
            let _ = self.noticed(id, result.as_ref().map(drop).map_err(copy));
        }
        match result {
            Ok(()) => {}
            Err(Error::Interrupted) => self.port.event(
                id,
                Event::Stopped {
                    finished: at.picture(),
                    of: job.count,
                },
            ),
            Err(error) => {
                let (message, causes) = words::of(&error);
                self.port.event(id, Event::Failed { message, causes });
            }
        }
    }

    /// Does what is left of a job, and notes how far it comes.
    async fn work(
        &self,
        id: Id,
        job: &Job,
        previews: bool,
        at: &mut Waypoint,
        is_first: bool,
    ) -> Result<()> {
        if job.latents.is_some() {
            let text =
                "the job begins with a file of latents, which only the command line can read";
            return Err(Error::Request(text.to_owned()));
        }
        let model = self.model(id, &job.model).await?;
        let mut run = self.begun(id, job, &model).await?;
        run.go_on_from(std::mem::take(at));
        let result = self.follow(id, &mut run, previews, is_first).await;
        *at = run.waypoint().clone();
        result
    }

    /// A run of a job, after what comes before its first step.
    async fn begun(&self, id: Id, job: &Job, model: &OnDevice) -> Result<Run> {
        let session = &model.session;
        if job.edit.is_some() {
            let print = model.print().await;
            let mut tell = |event| {
                self.port.event(id, event);
                !self.stop.get()
            };
            return self.edits.start(id, job, session, print, &mut tell).await;
        }
        let checked = job.check(&session.blueprint().traits)?;
        let mut tell = |event| self.port.event(id, event);
        let materials = self
            .guides
            .materials(job, &self.edits, &self.stop, &mut tell);
        let aims = checked.aims(&materials.await?, session.device()).await?;
        session.start_with(checked, None, aims)
    }

    /// Lets a run work until it is done, and tells what it says.
    async fn follow(&self, id: Id, run: &mut Run, previews: bool, is_first: bool) -> Result<()> {
        let mut pace = Pace::new();
        while let Some(event) = run.step().await? {
            let is_step = matches!(event, Event::Step { .. });
            let is_done = matches!(event, Event::Done { .. });
            let shown = match event {
                Event::Step { picture, step, .. } => Some((picture, step)),
                _ => None,
            };
            if is_first || !matches!(event, Event::Started { .. }) {
                self.port.event(id, event);
            }
            if let Some((picture, step)) = shown.filter(|_| previews)
                && (self.stop.get() || pace.allows(is_step))
            {
                self.preview(id, run, picture, step).await?;
                pace.previewed();
            }
            if let Some(made) = run.take() {
                self.show(id, &made, run.finished() - 1)?;
            }
            if self.stop.get() && !is_done {
                return Err(Error::Interrupted);
            }
        }
        Ok(())
    }

    async fn preview(&self, id: Id, run: &Run, picture: usize, step: usize) -> Result<()> {
        let Some(preview) = run.preview().await? else {
            return Ok(());
        };
        let said = Said::Preview {
            picture,
            step,
            width: preview.width_px(),
            height: preview.height_px(),
        };
        self.port.say_with(id, &said, &[("rgba", &rgba(&preview))]);
        Ok(())
    }

    fn show(&self, id: Id, made: &Made, picture: usize) -> Result<()> {
        let file = png::encode(&made.picture, &made.notes)?;
        let job = made.notes.guidestar.as_deref().unwrap_or_default();
        let said = Said::Picture {
            picture,
            seed: made.seed,
            width: made.picture.width_px(),
            height: made.picture.height_px(),
            job: Box::new(Job::from_json(job)?),
            maps: made.maps.iter().map(map_said).collect(),
            scores: made.scores.clone(),
        };
        let pixels = rgba(&made.picture);
        let latents = bytemuck::cast_slice(&made.latents);
        let maps = map_values(&made.maps);
        let beside: [(&str, &[u8]); 4] = [
            ("rgba", &pixels),
            ("png", &file),
            ("latents", latents),
            ("map_values", &maps),
        ];
        self.port.say_with(id, &said, &beside);
        if let Some(message) = made.skipped() {
            self.port.event(id, Event::Warning { message });
        }
        Ok(())
    }

    /// Keeps a file that edits begin with or guides are made of.
    ///
    /// # Errors
    /// When it is no picture that can be read, and is said to be one.
    pub fn hold(&self, id: Id, what: HeldKind, bytes: &[u8]) -> Result<()> {
        let said = match what {
            HeldKind::Picture => self.edits.hold(bytes)?,
            HeldKind::File => self.guides.hold(bytes),
        };
        self.port.say(id, &said);
        Ok(())
    }

    /// Deletes the latents that were stored for sources of edits.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn forget_traces(&self) -> Result<()> {
        self.edits.forget().await
    }

    /// Whether [`Studio::needs`] can answer without reading a model first.
    pub fn knows(&self, model: &str) -> bool {
        self.blueprints.borrow().contains_key(model)
    }

    /// Says what a job would take.
    ///
    /// # Errors
    /// When there is no device, no such model, or the job is wrong.
    pub async fn needs(&self, id: Id, job: &Job) -> Result<()> {
        let device = self.ready().await?;
        let blueprint = self.blueprint(id, &job.model).await?;
        self.port.say(id, &needs(&blueprint, job, &device)?);
        Ok(())
    }

    /// Measures the device with the shapes of mini.
    ///
    /// # Errors
    /// When there is none, or it fails.
    pub async fn bench(&self, id: Id) -> Result<()> {
        let device = self.ready().await?;
        let blueprint = self.blueprint(id, MINI).await?;
        let measured = bench::run(id, &self.port, &device, &blueprint, &self.stop).await;
        self.noticed(id, measured)
    }

    /// What a model says of itself.
    async fn blueprint(&self, id: Id, model: &str) -> Result<Rc<Blueprint>> {
        if let Some(blueprint) = self.blueprints.borrow().get(model) {
            return Ok(blueprint.clone());
        }
        let mut tell = |event| self.port.event(id, event);
        let (checkpoint, _held) = self.shelf.open(model, &self.stop, &mut tell).await?;
        let blueprint = Rc::new(Blueprint::read(&checkpoint)?);
        let mut blueprints = self.blueprints.borrow_mut();
        blueprints.insert(model.to_owned(), blueprint.clone());
        Ok(blueprint)
    }

    /// Loses the device, to see what happens.
    pub fn lose(&self) {
        if let Some(device) = self.device() {
            device.lose();
        }
    }
}

fn map_said(map: &StepMap) -> MapSaid {
    let [height, width] = map.size;
    MapSaid {
        name: map.name,
        step: map.step,
        width,
        height,
    }
}

/// A byte for each place of all maps.
fn map_values(maps: &[StepMap]) -> Vec<u8> {
    let values = maps.iter().flat_map(|map| &map.values);
    values
        .map(|value| (255.0 * value.clamp(0.0, 1.0)).round() as u8)
        .collect()
}

/// An error once more: it is told of, and may be answered with.
fn copy(error: &Error) -> Error {
    match error {
        Error::DeviceLost(message) => Error::DeviceLost(message.clone()),
        _ => Error::Interrupted,
    }
}

/// What a job takes on a device.
///
/// # Errors
/// When the job is wrong, or the model cannot be built.
pub fn needs(blueprint: &Blueprint, job: &Job, device: &Device) -> Result<Said> {
    let checked = job.check(&blueprint.traits)?;
    let needs = Needs::of(blueprint, &checked, device)?;
    let problem = needs.require_room(&checked, device).err();
    Ok(Said::Needs {
        weight_bytes: needs.weight_bytes,
        intermediate_bytes: needs.intermediate_bytes,
        total_bytes: needs.total_bytes(),
        problem: problem.map(|error| words::sentence(&error)),
    })
}

/// When previews are due.
struct Pace {
    start: f64,
    asked: f64,
    spent: f64,
}

impl Pace {
    fn new() -> Self {
        Self {
            start: now_secs(),
            asked: 0.0,
            spent: 0.0,
        }
    }

    /// Whether there is time for another; there always is for the first.
    fn allows(&mut self, is_step: bool) -> bool {
        self.asked = now_secs();
        is_step && self.spent <= PREVIEW_SHARE * (self.asked - self.start - self.spent)
    }

    fn previewed(&mut self) {
        self.spent += now_secs() - self.asked;
    }
}

fn said(device: &Device) -> DeviceSaid {
    let info = device.info();
    let storage = match info.dtype {
        DType::F16 => "f16",
        DType::F32 => "f32",
    };
    DeviceSaid {
        name: info.name.clone(),
        api: info.api.to_owned(),
        storage: storage.to_owned(),
        software: info.software,
        details: info.details.clone(),
    }
}

async fn unavailable(error: &Error) -> Said {
    let (reason, message) = if gpu().is_none() {
        let text = "This browser has no WebGPU, or it is switched off: a current Chrome, Edge, Safari or Firefox has it, \
                    on pages that come over https or from this machine.";
        (Unavailable::NoWebgpu, text.to_owned())
    } else if !has_adapter().await {
        let text = "The browser offers no GPU: switch on hardware acceleration in its settings, update the GPU's driver, \
                    or use another browser.";
        (Unavailable::NoAdapter, text.to_owned())
    } else {
        (Unavailable::Failed, words::sentence(error))
    };
    Said::Unavailable { reason, message }
}
