//! `RangeStream`: a range in parts of bounded size, all of one revision.

use bytes::Bytes;
use mvcc::{Chunk, RangeError, RangeQuery, Reader};
use proto::error::{Code, Error};
use proto::etcdserverpb::RangeRequest;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use rpc::{Call, Inbound, Outbound, Status};

use super::identity::Identity;
use super::reply::{self, Reply as _};
use super::{Services, decode, error, off_thread, validate};

/// Keys of the first part.
const FIRST_KEYS: usize = 10;

impl Services {
    pub(super) async fn range_stream(
        &self,
        call: &Call,
        mut inbound: Inbound,
        outbound: Outbound,
    ) -> Result<(), Status> {
        let Some(request) = inbound.next().await else {
            return Err(Status::undecodable());
        };
        let request: RangeRequest = decode(request?)?;
        validate::range(&request)?;
        check_streamable(&request)?;
        if !request.serializable {
            self.handle.linearizable().await?;
        }
        let caller = self.identify(call).await?;
        self.permit(&caller, |permit| permit.range(&request))?;
        if request.count_only || request.limit < 0 {
            return self.whole(&caller, &request, &outbound).await;
        }
        self.parts(&caller, &request, &outbound).await
    }

    /// Answers with one message.
    async fn whole(
        &self,
        caller: &Identity,
        request: &RangeRequest,
        outbound: &Outbound,
    ) -> Result<(), Status> {
        let query = query(request)?;
        let (reader, pinned) = (self.engine().reader().clone(), request.revision <= 0);
        let result = off_thread::run(move || reader.range(&query))
            .await?
            .map_err(error::range)?;
        debug_assert!(
            pinned || result.revision >= request.revision,
            "a read of the future"
        );
        self.still_permitted(caller)?;
        let range = reply::Range::of(self.header(result.revision), &result);
        send(outbound, &reply::RangeStream(range)).await
    }

    async fn parts(
        &self,
        caller: &Identity,
        request: &RangeRequest,
        outbound: &Outbound,
    ) -> Result<(), Status> {
        let mut parts = Parts::new(
            request,
            query(request)?,
            self.engine().limits().max_request_bytes,
        );
        loop {
            let began = std::time::Instant::now();
            let chunk = parts.next(&self.engine().reader()).await;
            let durations = self.handle.durations();
            durations.range(began.elapsed(), chunk.is_ok());
            let chunk = chunk?;
            // A long answer ends where its reader's rights change.
            self.still_permitted(caller)?;
            if let Some(end) = parts.end(&self.engine().reader(), &chunk)? {
                let revision = if request.revision <= 0 {
                    chunk.revision
                } else {
                    chunk.current
                };
                let header = Some(self.header(revision));
                let End { more, count } = end;
                let last = reply::Range {
                    header,
                    kvs: &chunk.kvs,
                    more,
                    count,
                };
                return send(outbound, &reply::RangeStream(last)).await;
            }
            let part = reply::RangeStream(reply::Range {
                kvs: &chunk.kvs,
                ..reply::Range::default()
            });
            send(outbound, &part).await?;
        }
    }
}

fn query(request: &RangeRequest) -> Result<RangeQuery, Error> {
    apply::query::of_range(request).map_err(|types::EmptyKey| Error::EmptyKey)
}

async fn send(outbound: &Outbound, reply: &reply::RangeStream<'_>) -> Result<(), Status> {
    outbound
        .send(reply.encode())
        .await
        .map_err(|_| Status::cancelled())
}

/// Parts are read in key order and cannot be sorted or filtered as a whole.
fn check_streamable(request: &RangeRequest) -> Result<(), Status> {
    let refuse = |text| Err(Status::new(Code::Unimplemented, text));
    if request.sort_target != SortTarget::Key as i32
        || request.sort_order == SortOrder::Descend as i32
    {
        return refuse("RangeStream does not support custom sort orders");
    }
    let RangeRequest {
        min_mod_revision,
        max_mod_revision,
        ..
    } = request;
    let RangeRequest {
        min_create_revision,
        max_create_revision,
        ..
    } = request;
    let bounds = [
        min_mod_revision,
        max_mod_revision,
        min_create_revision,
        max_create_revision,
    ];
    if bounds.into_iter().any(|bound| *bound != 0) {
        return refuse("RangeStream does not support revision filters");
    }
    Ok(())
}

/// Where a stream of parts stands.
struct Parts {
    query: RangeQuery,
    /// Keys that may still be sent; none for no limit.
    left: Option<usize>,
    sent: usize,
    size: Size,
    after: Option<Bytes>,
}

/// How many keys the next part may have.
struct Size {
    keys: usize,
    max_request_bytes: usize,
}

/// What only the last part says.
struct End {
    more: bool,
    count: i64,
}

impl Parts {
    fn new(request: &RangeRequest, query: RangeQuery, max_request_bytes: usize) -> Self {
        let left = usize::try_from(request.limit)
            .ok()
            .filter(|limit| *limit > 0);
        let size = Size {
            keys: FIRST_KEYS,
            max_request_bytes,
        };
        Self {
            query,
            left,
            sent: 0,
            size,
            after: None,
        }
    }

    /// Reads the next part.
    async fn next(&mut self, reader: &Reader) -> Result<Chunk, Status> {
        let keys = self
            .left
            .map_or(self.size.keys, |left| left.min(self.size.keys));
        let (query, after) = (self.query.clone(), self.after.take());
        let read = move |reader: &Reader| {
            let RangeQuery {
                range,
                revision,
                keys_only,
                ..
            } = &query;
            reader.range_chunk(range, *revision, after.as_deref(), keys, *keys_only)
        };
        let is_short = i64::try_from(keys).is_ok_and(|keys| keys <= off_thread::KEYS_ON_THREAD);
        let chunk: Result<Chunk, RangeError> = if is_short {
            read(reader)
        } else {
            let reader = reader.clone();
            off_thread::run(move || read(&reader)).await?
        };
        let chunk = chunk.map_err(error::range)?;
        self.query.revision = chunk.revision;
        self.after.clone_from(&chunk.next_after);
        self.sent += chunk.kvs.len();
        self.left = self.left.map(|left| left.saturating_sub(chunk.kvs.len()));
        self.size.adapt(&chunk);
        Ok(chunk)
    }

    /// What the last part says, if this is it.
    fn end(&self, reader: &Reader, chunk: &Chunk) -> Result<Option<End>, Status> {
        if chunk.next_after.is_some() && self.left != Some(0) {
            return Ok(None);
        }
        let sent = i64::try_from(self.sent).unwrap_or(i64::MAX);
        let count = if chunk.next_after.is_none() {
            sent
        } else {
            reader
                .count(&self.query.range, chunk.revision)
                .map_err(error::range)?
        };
        Ok(Some(End {
            more: count > sent,
            count,
        }))
    }
}

impl Size {
    /// Doubles the number of keys after a small part, halves it after a large one.
    fn adapt(&mut self, chunk: &Chunk) {
        let bytes: usize = chunk.kvs.iter().map(Bytes::len).sum();
        if bytes < self.max_request_bytes / 2 {
            self.keys = self.keys.saturating_mul(2);
        } else if bytes > self.max_request_bytes.saturating_mul(2) {
            self.keys = (self.keys / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes that a real server was seen to send for values of 50 kB.
    #[test]
    fn sizes() {
        let mut size = Size {
            keys: FIRST_KEYS,
            max_request_bytes: 1_572_864,
        };
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(size.keys);
            let kvs = vec![Bytes::from(vec![0; 50_000]); size.keys];
            size.adapt(&Chunk {
                kvs,
                ..Chunk::default()
            });
        }
        assert_eq!(seen, [10, 20, 20, 20]);
        let huge = Chunk {
            kvs: vec![Bytes::from(vec![0; 4_000_000])],
            ..Chunk::default()
        };
        for _ in 0..6 {
            size.adapt(&huge);
        }
        assert_eq!(size.keys, 1);
    }

    /// What cannot be streamed must be refused, not answered wrongly.
    #[test]
    fn refusals() {
        let request = |change: fn(&mut RangeRequest)| {
            let mut request = RangeRequest::default();
            change(&mut request);
            check_streamable(&request).map_err(|status| status.message)
        };
        assert_eq!(request(|_| {}), Ok(()));
        assert_eq!(request(|r| r.sort_order = 1), Ok(()));
        let sorted = Err("RangeStream does not support custom sort orders".into());
        assert_eq!(request(|r| r.sort_order = 2), sorted);
        assert_eq!(request(|r| r.sort_target = 3), sorted);
        let filtered = Err("RangeStream does not support revision filters".into());
        assert_eq!(request(|r| r.max_create_revision = 3), filtered);
    }
}
