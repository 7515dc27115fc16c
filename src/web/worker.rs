//! The worker: takes messages, and sees that each is done in its turn.

use std::{cell::Cell, cell::RefCell, collections::VecDeque, rc::Rc};

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::spawn_local;

use super::{
    add::{self, Adder, Offer},
    messages::{Asked, Said},
    port::{self, Id, Port, Received},
    shelf::Shelf,
    store::Store,
    studio::{self, Studio},
};
use crate::{
    error::{Error, Result},
    picture::png,
    session::{Event, Job},
};

/// The worker behind a page. It lives as long as the page does.
#[wasm_bindgen]
pub struct Guidestar(Rc<Inner>);

struct Inner {
    port: Rc<Port>,
    shelf: Rc<Shelf>,
    studio: Studio,
    adder: Adder,
    /// What needs the GPU, one after the other.
    pictures: Lane,
    /// What changes the stored models, one after the other, beside the pictures.
    models: Lane,
}

#[wasm_bindgen]
impl Guidestar {
    /// Answers through `post`, which is called with a message and an array of what to transfer; the default model is in
    /// the folder `mini/` below the address `base`, which ends in a slash.
    #[wasm_bindgen(constructor)]
    pub fn new(post: js_sys::Function, base: String) -> Self {
        let port = Rc::new(Port::new(post));
        let shelf = Rc::new(Shelf::new(base));
        Self(Rc::new(Inner {
            studio: Studio::new(port.clone(), shelf.clone()),
            adder: Adder::new(port.clone(), shelf.clone()),
            pictures: Lane::default(),
            models: Lane::default(),
            shelf,
            port,
        }))
    }

    /// Takes a message from the page.
    pub fn receive(&self, message: &JsValue) {
        match port::receive(message) {
            Ok(received) => self.0.clone().take(received),
            Err(error) => self.0.port.fail(port::id(message), &error),
        }
    }
}

impl Inner {
    /// Does at once what waits for nothing, and lets the rest wait in its lane.
    fn take(self: Rc<Self>, received: Received) {
        let id = received.id;
        match &received.asked {
            Asked::Stop => self.stop(),
            Asked::Cancel => self.cancel(),
            Asked::Lose => self.studio.lose(),
            Asked::Models | Asked::Hold { .. } | Asked::ReadPng => self.spawn(received),
            Asked::Needs { job } if self.studio.knows(&job.model) => self.spawn(received),
            Asked::Remove { name } => {
                self.adder.cancel_adding(name);
                self.enqueue(id, received, |inner| &inner.models);
            }
            Asked::AddFiles { .. }
            | Asked::AddUrl { .. }
            | Asked::Inspect { .. }
            | Asked::ForgetTraces => self.enqueue(id, received, |inner| &inner.models),
            _ => self.enqueue(id, received, |inner| &inner.pictures),
        }
    }

    fn spawn(self: Rc<Self>, received: Received) {
        spawn_local(async move { self.answer(received).await });
    }

    fn enqueue(self: Rc<Self>, id: Id, received: Received, lane: fn(&Self) -> &Lane) {
        lane(&self).waiting.borrow_mut().push_back((id, received));
        if lane(&self).busy.replace(true) {
            return;
        }
        spawn_local(async move {
            while let Some(received) = lane(&self).next() {
                self.answer(received).await;
            }
            lane(&self).busy.set(false);
        });
    }

    fn stop(&self) {
        if self.pictures.busy.get() {
            self.studio.stop();
        }
        let droppable = |asked: &Asked| {
            matches!(
                asked,
                Asked::Start { .. } | Asked::Load { .. } | Asked::Bench
            )
        };
        self.call_off(droppable);
    }

    /// Takes out what waits for the GPU and need not be done.
    fn call_off(&self, droppable: impl Fn(&Asked) -> bool) {
        for (id, received) in self.pictures.drop_waiting(droppable) {
            match received.asked {
                Asked::Start { job, .. } => self.port.event(
                    id,
                    Event::Stopped {
                        finished: 0,
                        of: job.count,
                    },
                ),
                _ => self.port.fail(id, &Error::Interrupted),
            }
        }
    }

    fn cancel(&self) {
        if self.models.busy.get() {
            self.adder.cancel();
        }
        let droppable =
            |asked: &Asked| matches!(asked, Asked::AddFiles { .. } | Asked::AddUrl { .. });
        for (id, _) in self.models.drop_waiting(droppable) {
            self.port.fail(id, &Error::Interrupted);
        }
    }

    async fn answer(&self, received: Received) {
        let id = received.id;
        if let Err(error) = self.act(received).await {
            self.port.fail(id, &error);
        }
    }

    async fn act(&self, received: Received) -> Result<()> {
        let Received {
            id,
            asked,
            files,
            bytes,
        } = received;
        match asked {
            Asked::Open { precision } => self.studio.open(id, precision).await,
            Asked::Load { model } => {
                self.studio.begin();
                self.studio.load(id, &model).await?;
            }
            Asked::Start { job, previews } => {
                self.studio.begin();
                self.studio.start(id, &job, previews).await;
            }
            Asked::Needs { job } => self.studio.needs(id, &job).await?,
            Asked::Bench => {
                self.studio.begin();
                self.studio.bench(id).await?;
            }
            Asked::Models => self.list(id).await?,
            Asked::Hold { what } => self.studio.hold(id, what, &bytes)?,
            Asked::ReadPng => self.read_png(id, &bytes)?,
            Asked::Inspect { url } => {
                let offer = url.map_or(Offer::Files(files), |url| Offer::Url(url, None));
                self.inspect(id, &offer).await?;
            }
            Asked::AddFiles { store } => self.add(id, &Offer::Files(files), store).await?,
            Asked::AddUrl { url, sha256, store } => {
                self.add(id, &Offer::Url(url, sha256), store).await?;
            }
            Asked::Remove { name } => self.remove(id, &name).await?,
            Asked::ForgetTraces => {
                self.studio.forget_traces().await?;
                self.list(id).await?;
            }
            Asked::Stop | Asked::Cancel | Asked::Lose => {}
        }
        Ok(())
    }

    async fn list(&self, id: Id) -> Result<()> {
        let said = self.shelf.list(self.studio.loaded().as_deref()).await?;
        self.port.say(id, &said);
        Ok(())
    }

    fn read_png(&self, id: Id, bytes: &[u8]) -> Result<()> {
        let notes = png::notes(bytes)?;
        let job = notes.guidestar.ok_or_else(|| {
            let text = "this picture remembers no job: it was not made by guidestar, or what it remembered was stripped";
            Error::Request(text.to_owned())
        })?;
        let job = Box::new(Job::from_json(&job)?);
        let parameters = notes.parameters;
        self.port.say(id, &Said::Job { job, parameters });
        Ok(())
    }

    async fn inspect(&self, id: Id, offer: &Offer) -> Result<()> {
        let found = self.adder.look(offer).await?;
        let mut memory_bytes = None;
        let mut problem = None;
        if let (Some(blueprint), Some(device)) = (&found.blueprint, self.studio.device())
            && let Said::Needs {
                total_bytes,
                problem: why,
                ..
            } = studio::needs(blueprint, &Job::default(), &device)?
        {
            memory_bytes = Some(total_bytes);
            problem = why;
        }
        let bytes = found.about.bytes();
        let said = Said::Inspected {
            fetch_bytes: if found.about.url.is_some() { bytes } else { 0 },
            store_bytes: bytes,
            memory_bytes,
            store_problem: add::problem(&found).await,
            problem,
            name: found.name,
        };
        self.port.say(id, &said);
        Ok(())
    }

    /// Adds what is offered. However that ends, the page hears what there is then.
    async fn add(&self, id: Id, offer: &Offer, store: bool) -> Result<()> {
        let added = self.adder.add(id, offer, store).await;
        self.list(id).await?;
        added
    }

    async fn remove(&self, id: Id, name: &str) -> Result<()> {
        // What waits for it would not find it any more.
        self.call_off(|asked| match asked {
            Asked::Load { model } => model == name,
            Asked::Start { job, .. } => job.model == name,
            _ => false,
        });
        self.studio.leave(name).await;
        let was_given = self.shelf.take_back(name);
        let is_stored = match Store::open().await {
            Some(store) if store.find(name).await?.is_some() => {
                store.remove(name).await?;
                true
            }
            _ => false,
        };
        if !was_given && !is_stored {
            return Err(Error::Request(format!(
                "there is no model {name:?} to remove"
            )));
        }
        self.list(id).await
    }
}

/// What waits for its turn.
#[derive(Default)]
struct Lane {
    waiting: RefCell<VecDeque<(Id, Received)>>,
    busy: Cell<bool>,
}

impl Lane {
    fn next(&self) -> Option<Received> {
        let next = self.waiting.borrow_mut().pop_front();
        next.map(|(_, received)| received)
    }

    /// Takes out what is droppable.
    fn drop_waiting(&self, droppable: impl Fn(&Asked) -> bool) -> Vec<(Id, Received)> {
        let waiting = self.waiting.take();
        let (dropped, kept): (Vec<_>, VecDeque<_>) = {
            let mut dropped = Vec::new();
            let mut kept = VecDeque::new();
            for (id, received) in waiting {
                if droppable(&received.asked) {
                    dropped.push((id, received));
                } else {
                    kept.push_back((id, received));
                }
            }
            (dropped, kept)
        };
        *self.waiting.borrow_mut() = kept;
        dropped
    }
}
