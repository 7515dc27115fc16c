//! What guides are made of: files that the page gave, and the networks that come with it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use web_sys::Blob;

use super::{
    edits::Edits,
    messages::Said,
    shelf::{MINI, Shelf},
    sources::{self, BlobFiles},
};
use crate::{
    error::{Error, Result},
    session::{Event, Job, Materials, NamedFile, Target},
    tokenizer::Tokenizer,
    weights::fingerprint::sha256,
};

/// Networks and embeddings are held as long as they are not more than this together; the newest always is.
const FILE_BYTES: usize = 256 << 20;
/// The networks that understand the default model's pictures.
const MATCHED: [&str; 5] = [
    "eyes.json",
    "eyes.safetensors",
    "text.safetensors",
    "identity.json",
    "identity.safetensors",
];

/// What guides are made of.
pub struct Guides {
    shelf: Rc<Shelf>,
    /// By the sums of their contents, newest first.
    files: RefCell<VecDeque<(String, Vec<u8>)>>,
    /// Fetched at first use.
    matched: RefCell<Option<BTreeMap<String, Blob>>>,
}

impl Guides {
    /// Nothing is held yet.
    pub fn new(shelf: Rc<Shelf>) -> Self {
        Self {
            shelf,
            files: RefCell::default(),
            matched: RefCell::default(),
        }
    }

    /// Keeps a network or an embedding.
    pub fn hold(&self, bytes: &[u8]) -> Said {
        let sum = sha256(bytes);
        let mut files = self.files.borrow_mut();
        files.retain(|(other, _)| *other != sum);
        files.push_front((sum.clone(), bytes.to_vec()));
        let mut total = 0;
        let mut fits = |file: &[u8]| {
            total += file.len();
            total <= FILE_BYTES
        };
        let fitting = files.iter().take_while(|(_, file)| fits(file)).count();
        files.truncate(fitting.max(1));
        Said::Held {
            sha256: sum,
            width: 0,
            height: 0,
            warnings: Vec::new(),
        }
    }

    /// Gathers what a job's guides name. `stop` ends the fetching.
    ///
    /// # Errors
    /// When something was not given, or the networks that come with the page cannot be fetched.
    pub async fn materials(
        &self,
        job: &Job,
        pictures: &Edits,
        stop: &Rc<Cell<bool>>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Materials> {
        let mut materials = Materials::default();
        let guides = job.guide.iter().flat_map(|guide| &guide.guides);
        for target in guides.map(|guiding| &guiding.target) {
            for file in target.pictures() {
                let picture = pictures.held(&file.sha256).ok_or_else(|| missing(file))?;
                let picture = picture.as_ref().clone();
                materials.pictures.insert(file.clone(), picture);
            }
            for file in target.files() {
                let files = self.files.borrow();
                let held = files.iter().find(|(sum, _)| *sum == file.sha256);
                let (_, bytes) = held.ok_or_else(|| missing(file))?;
                materials.files.insert(file.clone(), bytes.clone());
            }
            if target.needs_eyes() && materials.matched.is_none() {
                let files = self.matched(stop, tell).await?;
                materials.matched = Some(Box::new(files));
            }
            let reads = matches!(target, Target::Text { .. }) && target.needs_eyes();
            if reads && materials.words.is_none() {
                let (mini, _held) = self.shelf.open(MINI, stop, tell).await?;
                materials.words = Some(Tokenizer::from_descriptions(&mini.descriptions)?);
            }
            let reads_clip = matches!(target, Target::Text { .. }) && !reads;
            if reads_clip && materials.clip_words.is_none() {
                let words = self.shelf.clip_files(stop).await?;
                materials.clip_words = Some(Tokenizer::from_descriptions(&words)?);
            }
        }
        Ok(materials)
    }

    /// The networks that come with the page, fetched at first use.
    async fn matched(
        &self,
        stop: &Rc<Cell<bool>>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<BlobFiles> {
        const PART: &str = "guides";
        if let Some(blobs) = &*self.matched.borrow() {
            return Ok(BlobFiles::new(PART, blobs.clone()));
        }
        let mut blobs = BTreeMap::new();
        let mut done_bytes = 0;
        for path in MATCHED {
            let url = self.shelf.beside(&format!("{PART}/{path}"));
            let blob = sources::whole(&url, stop, &mut |came| {
                done_bytes += came;
                tell(Event::Loading {
                    part: PART.to_owned(),
                    done_bytes,
                    total_bytes: 0,
                });
            })
            .await?;
            blobs.insert(path.to_owned(), blob);
        }
        *self.matched.borrow_mut() = Some(blobs.clone());
        Ok(BlobFiles::new(PART, blobs))
    }
}

fn missing(file: &NamedFile) -> Error {
    let path = &file.path;
    Error::Request(format!(
        "{path}, which this job is guided by, is not here: choose it again"
    ))
}
