//! HTTP/1 by hand, over any stream: requests, and answers that may go on for ever.

use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

/// An answer under way.
pub(crate) struct Answer<S> {
    stream: BufReader<S>,
    pub(crate) status: u16,
    pub(crate) head: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Answer<S> {
    /// Sends a request and reads the head of its answer.
    pub(crate) async fn on(
        mut stream: S,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Self {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        let status = head[9..12].parse().unwrap();
        Self {
            stream,
            status,
            head: head.to_lowercase(),
        }
    }

    /// What the connection has become.
    pub(crate) fn into_stream(self) -> BufReader<S> {
        self.stream
    }

    /// The next chunk, which is a line of JSON; none at the end.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        let chunk = self.chunk().await?;
        Some(serde_json::from_str(&chunk).unwrap())
    }

    async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await.unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.unwrap();
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// All of a body whose length is known.
    pub(crate) async fn body(mut self) -> String {
        let (_, length) = self.head.split_once("content-length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// The body, or of an answer in chunks the first one.
    pub(crate) async fn beginning(mut self) -> String {
        match self.head.contains("transfer-encoding: chunked") {
            true => self.chunk().await.unwrap_or_default(),
            false => self.body().await,
        }
    }
}
