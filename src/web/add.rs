//! Adds a checkpoint: looks at it, makes sure of the room, brings it to the browser's storage.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use web_sys::{AbortController, Blob, File};

use super::{
    browser::room,
    copy::{self, Download},
    messages::Said,
    port::{Id, Port},
    shelf::{MINI, Shelf, Visit, checkpoint},
    sources::{self, BlobFiles, HttpFile},
    store::{About, Opened, Store},
    words,
};
use crate::{
    error::{Error, Result},
    session::Blueprint,
    weights::{
        WeightSource,
        source::{Files, Reading},
    },
};

/// What is offered for adding.
pub enum Offer {
    /// Files by their paths.
    Files(Vec<(String, File)>),
    /// An address, and what its bytes must sum to.
    Url(String, Option<String>),
}

impl Offer {
    /// What it is to be called.
    fn name(&self) -> String {
        match self {
            Self::Files(files) => match &files[..] {
                [(path, _)] => leaf(path),
                files => inside(files).0,
            },
            Self::Url(url, _) => leaf(url.split(['?', '#']).next().unwrap_or(url)),
        }
    }
}

/// What was found at an offer.
pub struct Found {
    /// What it is to be called.
    pub name: String,
    /// What belongs to it.
    pub about: About,
    /// What it says of itself; nothing when that can only be read once it is here.
    pub blueprint: Option<Blueprint>,
    visit: Option<Visit>,
}

/// Adds checkpoints, one after the other.
pub struct Adder {
    port: Rc<Port>,
    shelf: Rc<Shelf>,
    /// The name of what is being added.
    adding: RefCell<Option<String>>,
    cancel: Rc<Cell<bool>>,
    abort: RefCell<Option<AbortController>>,
}

impl Adder {
    /// Adds to this shelf.
    pub fn new(port: Rc<Port>, shelf: Rc<Shelf>) -> Self {
        Self {
            port,
            shelf,
            adding: RefCell::default(),
            cancel: Rc::default(),
            abort: RefCell::default(),
        }
    }

    /// Ends what is under way.
    pub fn cancel(&self) {
        self.cancel.set(true);
        if let Some(abort) = &*self.abort.borrow() {
            abort.abort();
        }
    }

    /// Ends what is under way if it adds a model of this name.
    pub fn cancel_adding(&self, name: &str) {
        if self.adding.borrow().as_deref() == Some(name) {
            self.cancel();
        }
    }

    /// Reads the head of what is offered.
    ///
    /// # Errors
    /// When it is no checkpoint of Stable Diffusion 1.x, or cannot be read.
    pub async fn look(&self, offer: &Offer) -> Result<Found> {
        self.cancel.set(false);
        let found = match offer {
            Offer::Files(files) => match &files[..] {
                [] => Err(Error::Request(
                    "no files came along: choose some".to_owned(),
                )),
                [(_, file)] => self.look_at_file(offer.name(), file).await,
                files => self.look_at_folder(files).await,
            },
            Offer::Url(url, sha256) => {
                let name = offer.name();
                self.look_at_url(name, url, sha256.as_deref()).await
            }
        }?;
        if found.name == MINI {
            let text = format!("{MINI:?} is the model that comes with the page: rename the file");
            return Err(Error::Request(text));
        }
        Ok(found)
    }

    async fn look_at_file(&self, name: String, file: &File) -> Result<Found> {
        let visit = Visit::File(file.clone());
        Ok(Found {
            blueprint: Some(self.blueprint(visit.open(&name)).await?),
            about: About {
                files: vec![(name.clone(), file.size() as u64)],
                is_single: true,
                tag: Some(file.last_modified().to_string()),
                ..About::default()
            },
            visit: Some(visit),
            name,
        })
    }

    async fn look_at_folder(&self, files: &[(String, File)]) -> Result<Found> {
        let (name, files) = inside(files);
        let blobs = files
            .into_iter()
            .map(|(path, file)| (path, Blob::from(file)));
        let all = Noting {
            inner: BlobFiles::new(name.clone(), blobs.clone().collect()),
            opened: RefCell::default(),
        };
        let all = Rc::new(all);
        let blueprint = self.blueprint(Opened::Folder(all.clone())).await?;
        // A folder may hold the same weights in four formats; what was opened is what is needed.
        let opened = all.opened.borrow();
        let blobs: BTreeMap<String, Blob> =
            blobs.filter(|(path, _)| opened.contains(path)).collect();
        let sizes = blobs
            .iter()
            .map(|(path, blob)| (path.clone(), blob.size() as u64));
        Ok(Found {
            name,
            about: About {
                files: sizes.collect(),
                ..About::default()
            },
            blueprint: Some(blueprint),
            visit: Some(Visit::Folder(blobs)),
        })
    }

    async fn look_at_url(&self, name: String, url: &str, sha256: Option<&str>) -> Result<Found> {
        let is_sum = |sum: &str| sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
        let sha256 = sha256
            .map(|sum| sum.trim().to_lowercase())
            .filter(|sum| !sum.is_empty());
        if sha256.as_ref().is_some_and(|sum| !is_sum(sum)) {
            let text = "a SHA-256 has 64 digits of 0-9 and a-f: copy it again, or leave it out";
            return Err(Error::Request(text.to_owned()));
        }
        let probe = sources::probe(url).await?;
        let blueprint = if probe.has_parts {
            let file: Rc<dyn WeightSource> = Rc::new(HttpFile::new(url));
            Some(self.blueprint(Opened::Single(file)).await?)
        } else {
            None
        };
        let bytes = probe.total_bytes.unwrap_or(0);
        Ok(Found {
            about: About {
                files: vec![(name.clone(), bytes)],
                is_single: true,
                url: Some(url.to_owned()),
                sha256,
                tag: probe.tag,
            },
            visit: blueprint
                .as_ref()
                .map(|_| Visit::Url(url.to_owned(), bytes)),
            blueprint,
            name,
        })
    }

    async fn blueprint(&self, opened: Opened) -> Result<Blueprint> {
        Blueprint::read(&checkpoint(opened, &self.cancel).await?)
    }

    /// Adds what is offered, and says so.
    ///
    /// # Errors
    /// When it is no checkpoint of Stable Diffusion 1.x, or cannot be brought here.
    pub async fn add(&self, id: Id, offer: &Offer, store: bool) -> Result<()> {
        *self.adding.borrow_mut() = Some(offer.name());
        let added = self.bring(id, offer, store).await;
        self.adding.take();
        added
    }

    async fn bring(&self, id: Id, offer: &Offer, store: bool) -> Result<()> {
        let found = self.look(offer).await?;
        let name = &found.name;
        let mut note = None;
        if store {
            match storage_for(&found).await {
                Ok(store) => return self.keep(id, &store, &found).await,
                Err(problem) => note = Some(problem),
            }
        }
        let Some(visit) = &found.visit else {
            let why = note.unwrap_or_else(|| "that was not asked for".to_owned());
            let text = format!("its server sends no parts of it, and it is not stored: {why}");
            return Err(sources::failed(name, text));
        };
        self.shelf.give(name, visit.clone());
        self.said(id, name, false, note);
        Ok(())
    }

    /// Adds something to the storage, and says so.
    async fn keep(&self, id: Id, store: &Store, found: &Found) -> Result<()> {
        let name = &found.name;
        if let Some(visit @ (Visit::File(_) | Visit::Folder(_))) = &found.visit {
            // It can be used while it is being stored, and when that fails.
            self.shelf.give(name, visit.clone());
        }
        let stored = self.store(id, store, found).await;
        if matches!(stored, Ok(()) | Err(Error::Interrupted)) {
            self.shelf.take_back(name);
        }
        stored?;
        self.said(id, name, true, None);
        Ok(())
    }

    fn said(&self, id: Id, name: &str, stored: bool, note: Option<String>) {
        let name = name.to_owned();
        self.port.say(id, &Said::Added { name, stored, note });
    }

    async fn store(&self, id: Id, store: &Store, found: &Found) -> Result<()> {
        let name = &found.name;
        let is_there = store.find(name).await?;
        if is_there.is_some_and(|stored| stored.is_whole && stored.about == found.about) {
            return Ok(());
        }
        let writing = store.begin(name, &found.about).await?;
        let mut tell = |said: Said| {
            self.port.say(id, &said);
            if self.cancel.get() {
                return Err(Error::Interrupted);
            }
            Ok(())
        };
        match &found.about.url {
            None => {
                let blobs = match &found.visit {
                    Some(Visit::Folder(blobs)) => blobs.clone(),
                    Some(Visit::File(file)) => {
                        BTreeMap::from([(name.clone(), Blob::from(file.clone()))])
                    }
                    _ => BTreeMap::new(),
                };
                copy::store(&writing, name, &blobs, &mut tell).await?;
            }
            Some(url) => {
                let controller = AbortController::new().ok();
                let signal = controller.as_ref().map(AbortController::signal);
                *self.abort.borrow_mut() = controller;
                let total = found.about.bytes();
                let download = Download {
                    url,
                    name,
                    total_bytes: (total > 0).then_some(total),
                    signal: signal.as_ref(),
                };
                let fetched = download.run(&writing, &mut tell).await;
                self.abort.take();
                fetched?;
                if let Err(error) = self.judge(&writing, found, &mut tell).await {
                    // Going on with it could never end well; calling off may.
                    if !matches!(error, Error::Interrupted) {
                        writing.discard().await?;
                    }
                    return Err(error);
                }
            }
        }
        writing.finish().await
    }

    /// Compares what came with what was to come.
    async fn judge(
        &self,
        writing: &super::store::Writing<'_>,
        found: &Found,
        tell: &mut dyn FnMut(Said) -> Result<()>,
    ) -> Result<()> {
        let name = &found.name;
        let Some(blob) = writing.blob(name).await? else {
            return Err(sources::failed(name, "nothing came"));
        };
        if let Some(sum) = &found.about.sha256 {
            copy::check(&blob, name, sum, tell).await?;
        }
        if found.blueprint.is_none() {
            self.blueprint(Opened::Single(Rc::new(sources::BlobFile::new(name, blob))))
                .await?;
        }
        Ok(())
    }
}

/// The storage, where there is room for it.
///
/// # Errors
/// A sentence that says why not.
async fn storage_for(found: &Found) -> Result<Store, String> {
    let Some(store) = Store::open().await else {
        return Err("this browser stores nothing for this page, as in a private window".to_owned());
    };
    match store_problem(&store, found).await {
        Some(problem) => Err(problem),
        None => Ok(store),
    }
}

/// Why it cannot be stored; nothing when it can.
pub async fn problem(found: &Found) -> Option<String> {
    storage_for(found).await.err()
}

async fn store_problem(store: &Store, found: &Found) -> Option<String> {
    let room = room().await?;
    let there = store.find(&found.name).await.ok().flatten();
    let done_bytes = there.map_or(0, |stored| stored.done_bytes);
    let missing = found.about.bytes().saturating_sub(done_bytes);
    let left = room.quota_bytes.saturating_sub(room.usage_bytes);
    (missing > left).then(|| {
        format!(
            "it takes {} and this browser lets the page store {} more",
            words::bytes(missing),
            words::bytes(left)
        )
    })
}

/// The last part of a path or an address, as people read it.
fn leaf(path: &str) -> String {
    let leaf = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(path);
    let decoded = js_sys::decode_uri_component(leaf).ok();
    let name = decoded.map_or_else(|| leaf.to_owned(), String::from);
    let name = name.replace(['/', '\\'], "-");
    // The storage takes neither of these for a name.
    if ["", ".", ".."].contains(&name.as_str()) {
        "model".to_owned()
    } else {
        name
    }
}

/// A path that begins so has no folder around it.
const PARTS: [&str; 5] = ["unet", "vae", "text_encoder", "tokenizer", "scheduler"];

/// The name of the folder that all files are in, and their paths inside it.
fn inside(files: &[(String, File)]) -> (String, Vec<(String, File)>) {
    let first = files.first().and_then(|(path, _)| path.split_once('/'));
    let first = first.map(|(folder, _)| folder);
    let common = first.filter(|folder| {
        let start = format!("{folder}/");
        !PARTS.contains(folder) && files.iter().all(|(path, _)| path.starts_with(&start))
    });
    let Some(folder) = common else {
        return ("model".to_owned(), files.to_vec());
    };
    let cut = folder.len() + 1;
    let inner = files
        .iter()
        .map(|(path, file)| (path[cut..].to_owned(), file.clone()));
    (folder.to_owned(), inner.collect())
}

/// Files that remember which of them were opened.
struct Noting {
    inner: BlobFiles,
    opened: RefCell<Vec<String>>,
}

impl Files for Noting {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn open<'a>(&'a self, path: &'a str) -> Reading<'a, Option<Rc<dyn WeightSource>>> {
        self.opened.borrow_mut().push(path.to_owned());
        self.inner.open(path)
    }
}
