//! A `kvcpu-store` as the driver's keeper of T3.

use kvcpu_driver::{T3Backend, T3Done, T3Error, T3Op, T3Request};
use kvcpu_store::{BlockStore, Done, Key};
use std::time::Duration;

/// Serves the device's T3 requests from a block store.
pub struct Served<S> {
    store: S,
    /// Answers to requests that the store refused at once.
    refused: Vec<T3Done>,
    done: Vec<Done>,
}

impl<S: BlockStore> Served<S> {
    /// Serves from `store`.
    pub fn new(store: S) -> Served<S> {
        Served { store, refused: Vec::new(), done: Vec::new() }
    }

    fn submit(&mut self, op: T3Op, request: T3Request) {
        let T3Request { id, slot, key, memory, offset, crc32c, .. } = request;
        let key = Key { tenant: key.tenant, request: key.request, tag: key.tag };
        let result = match op {
            T3Op::Store => self.store.submit_store(id, slot, key, &memory, offset, crc32c),
            T3Op::Fetch => self.store.submit_fetch(id, slot, key, &memory, offset),
        };
        if let Err(error) = result {
            self.refused.push(T3Done { id, result: Err(boxed(error)) });
        }
    }

    fn report(&mut self, out: &mut Vec<T3Done>) {
        out.append(&mut self.refused);
        out.extend(
            self.done
                .drain(..)
                .map(|Done { id, result }| T3Done { id, result: result.map_err(boxed) }),
        );
    }
}

fn boxed(error: kvcpu_store::StoreError) -> T3Error {
    Box::new(error)
}

impl<S: BlockStore> T3Backend for Served<S> {
    fn store(&mut self, request: T3Request) {
        self.submit(T3Op::Store, request);
    }

    fn fetch(&mut self, request: T3Request) {
        self.submit(T3Op::Fetch, request);
    }

    fn poll(&mut self, out: &mut Vec<T3Done>) -> Result<(), T3Error> {
        let result = self.store.poll(&mut self.done);
        self.report(out);
        result.map(|_| ()).map_err(boxed)
    }

    fn wait(&mut self, timeout: Duration, out: &mut Vec<T3Done>) -> Result<(), T3Error> {
        let timeout = if self.refused.is_empty() { timeout } else { Duration::ZERO };
        let result = self.store.wait(timeout, &mut self.done);
        self.report(out);
        result.map(|_| ()).map_err(boxed)
    }
}
