//! The models a page can use: the one that comes with it, those that are stored, those given for this visit.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use web_sys::{Blob, File};

use super::{
    browser::{Lock, room},
    messages::{ModelPlace, ModelSaid, Said, TracesSaid},
    sources::{self, BlobFiles, HttpFile, Interruptible, InterruptibleFiles},
    store::{Opened, Store},
    traces::Traces,
};
use crate::{
    error::{Error, Result},
    session::Event,
    tokenizer::{Tokenizer, clip_files},
    weights::{Checkpoint, Ema, mini},
};

/// The name of the model that comes with the page.
pub const MINI: &str = "mini";

/// The words of checkpoints that say nothing of theirs, beside mini. Most visits do without, so the engine does not carry them.
const CLIP_MERGES: &str = "clip/merges.txt";

/// A model that is here for this visit.
#[derive(Clone)]
pub enum Visit {
    /// A single file that was chosen.
    File(File),
    /// The files of a folder, by their paths in it.
    Folder(BTreeMap<String, Blob>),
    /// An address, and how many bytes are there.
    Url(String, u64),
}

impl Visit {
    /// What to read it from.
    pub fn open(&self, name: &str) -> Opened {
        match self {
            Self::File(file) => {
                let blob = sources::BlobFile::new(name, file.clone().into());
                Opened::Single(Rc::new(blob))
            }
            Self::Folder(blobs) => Opened::Folder(Rc::new(BlobFiles::new(name, blobs.clone()))),
            Self::Url(url, _) => Opened::Single(Rc::new(HttpFile::new(url))),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::File(file) => file.size() as u64,
            Self::Folder(blobs) => blobs.values().map(|blob| blob.size() as u64).sum(),
            Self::Url(_, bytes) => *bytes,
        }
    }
}

/// The models a page can use.
pub struct Shelf {
    /// Where the folder `mini/` is.
    base: String,
    mini: RefCell<Option<Rc<BlobFiles>>>,
    visits: RefCell<BTreeMap<String, Visit>>,
}

impl Shelf {
    /// The files of mini are in the folder `mini/` below this address.
    pub fn new(base: String) -> Self {
        Self {
            base,
            mini: RefCell::default(),
            visits: RefCell::default(),
        }
    }

    /// The address of a file in a folder beside mini's.
    pub fn beside(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Offers a model for this visit.
    pub fn give(&self, name: &str, visit: Visit) {
        self.visits.borrow_mut().insert(name.to_owned(), visit);
    }

    /// Withdraws a model of this visit; whether there was one.
    pub fn take_back(&self, name: &str) -> bool {
        self.visits.borrow_mut().remove(name).is_some()
    }

    /// Opens a model by the name a job has for it. `stop` ends all later reading. While the lock is held, no tab removes
    /// it.
    ///
    /// # Errors
    /// When there is no such model, or it is not what it should be.
    pub async fn open(
        &self,
        name: &str,
        stop: &Rc<Cell<bool>>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(Checkpoint, Option<Lock>)> {
        let (mut checkpoint, lock) = self.find(name, stop, tell).await?;
        if !Tokenizer::is_described(&checkpoint.descriptions) {
            let clip = self.clip_files(stop).await?;
            checkpoint.descriptions.extend(clip);
        }
        Ok((checkpoint, lock))
    }

    /// The words of OpenAI's CLIP, as the files of a checkpoint.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn clip_files(&self, stop: &Cell<bool>) -> Result<BTreeMap<String, String>> {
        let url = self.beside(CLIP_MERGES);
        let merges = sources::whole(&url, stop, &mut |_| {}).await?;
        Ok(clip_files(&sources::text(&url, &merges).await?))
    }

    async fn find(
        &self,
        name: &str,
        stop: &Rc<Cell<bool>>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(Checkpoint, Option<Lock>)> {
        if name == MINI {
            let files = self.mini(stop, tell).await?;
            return Ok((checkpoint(Opened::Folder(files), stop).await?, None));
        }
        let visit = self.visits.borrow().get(name).cloned();
        if let Some(visit) = visit {
            return Ok((checkpoint(visit.open(name), stop).await?, None));
        }
        let missing = || {
            Error::Request(format!(
                "there is no model {name:?} here: add it under Models, or choose another"
            ))
        };
        let store = Store::open().await.ok_or_else(missing)?;
        if !store
            .find(name)
            .await?
            .is_some_and(|stored| stored.is_whole)
        {
            return Err(missing());
        }
        let (opened, lock) = store.read(name).await?;
        Ok((checkpoint(opened, stop).await?, Some(lock)))
    }

    /// The files of mini, fetched at first use.
    async fn mini(
        &self,
        stop: &Rc<Cell<bool>>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Rc<BlobFiles>> {
        if let Some(files) = &*self.mini.borrow() {
            return Ok(files.clone());
        }
        let total_bytes = mini::SIZES.iter().map(|(_, bytes)| bytes).sum();
        let mut done_bytes = 0;
        let mut blobs = BTreeMap::new();
        for &(path, bytes) in mini::SIZES {
            let url = self.beside(&format!("{MINI}/{path}"));
            let start = done_bytes;
            let blob = sources::whole(&url, stop, &mut |came| {
                done_bytes += came;
                tell(Event::Loading {
                    part: MINI.to_owned(),
                    done_bytes,
                    total_bytes,
                });
            })
            .await?;
            if done_bytes - start != bytes {
                let problem = format!(
                    "{} bytes came and the page needs {bytes}: reload the page, it may have been updated",
                    done_bytes - start
                );
                return Err(sources::failed(&url, problem));
            }
            blobs.insert(path.to_owned(), blob);
        }
        let files = Rc::new(BlobFiles::new(MINI, blobs));
        *self.mini.borrow_mut() = Some(files.clone());
        Ok(files)
    }

    /// Lists all models; `loaded` is the name of the one on the GPU.
    ///
    /// # Errors
    /// When the browser fails.
    pub async fn list(&self, loaded: Option<&str>) -> Result<Said> {
        let store = Store::open().await;
        let mut models = vec![ModelSaid {
            name: MINI.to_owned(),
            place: ModelPlace::BuiltIn,
            bytes: mini::SIZES.iter().map(|(_, bytes)| bytes).sum(),
            done_bytes: mini::SIZES.iter().map(|(_, bytes)| bytes).sum(),
            loaded: false,
            url: None,
            sha256: None,
        }];
        if let Some(store) = &store {
            for (name, stored) in store.list().await? {
                let is_whole = stored.is_whole;
                models.push(ModelSaid {
                    name,
                    place: if is_whole {
                        ModelPlace::Stored
                    } else {
                        ModelPlace::Partial
                    },
                    bytes: stored.about.bytes(),
                    done_bytes: stored.done_bytes,
                    loaded: false,
                    url: stored.about.url,
                    sha256: stored.about.sha256,
                });
            }
        }
        for (name, visit) in &*self.visits.borrow() {
            // What is being stored can be used meanwhile.
            models.retain(|model| model.name != *name);
            let url = match visit {
                Visit::Url(url, _) => Some(url.clone()),
                Visit::File(_) | Visit::Folder(_) => None,
            };
            models.push(ModelSaid {
                name: name.clone(),
                place: ModelPlace::Visit,
                bytes: visit.bytes(),
                done_bytes: visit.bytes(),
                loaded: false,
                url,
                sha256: None,
            });
        }
        for model in &mut models {
            model.loaded = loaded == Some(model.name.as_str());
        }
        let storage = if store.is_some() { room().await } else { None };
        let traces = match Traces::open().await {
            Some(traces) => traces.said().await,
            None => TracesSaid::default(),
        };
        Ok(Said::Models {
            models,
            storage,
            traces,
        })
    }
}

/// Opens a checkpoint from wherever it is.
///
/// # Errors
/// When it is not Stable Diffusion 1.x, or cannot be read.
pub async fn checkpoint(opened: Opened, stop: &Rc<Cell<bool>>) -> Result<Checkpoint> {
    match opened {
        Opened::Single(source) => {
            let source = Interruptible::new(source, stop.clone());
            Checkpoint::open_file(Rc::new(source), Ema::default()).await
        }
        Opened::Folder(files) => {
            Checkpoint::open_files(&InterruptibleFiles::new(files, stop.clone())).await
        }
    }
}
