//! A question to another member: one HTTP request on one of its peer URLs.
//!
//! Every question has a limit of time and its answer one of size.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use transport::{Answer, ClientError, Connector, PeerClient};

/// Largest answer that is read: a list of members is far smaller.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How long a question may take unless it says otherwise.
const LIMIT: Duration = Duration::from_secs(7);

/// A request without its place.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("the member has no peer url")]
    NoUrl,
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What questions are asked with.
pub(crate) fn client(connector: Connector) -> PeerClient {
    PeerClient::new(connector, LIMIT, ANSWER_BYTES_MAX)
}

impl Question {
    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path, Bytes::new())
    }

    pub(crate) fn post(path: &str, body: Bytes) -> Self {
        Self::new(Method::POST, path, body)
    }

    pub(crate) fn new(method: Method, path: &str, body: Bytes) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body,
        }
    }

    /// With a header; one whose value cannot travel is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn request(&self) -> Result<Request<Bytes>, ClientError> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .body(self.body.clone())?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

/// Asks at one URL.
pub(crate) async fn ask(
    client: &PeerClient,
    url: &str,
    question: &Question,
    limit: Duration,
) -> Result<Answer, AskError> {
    let client = client.with_timeout(limit);
    Ok(client.send(url, question.request()?).await?)
}

/// Asks at the URLs of a member in turn until one answers.
pub(crate) async fn ask_any(
    client: &PeerClient,
    urls: &[String],
    question: &Question,
    limit: Duration,
) -> Result<Answer, AskError> {
    let mut failed = AskError::NoUrl;
    for url in urls {
        match ask(client, url, question, limit).await {
            Ok(answer) => return Ok(answer),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn served(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            stream.write_all(answer).await.unwrap();
        });
        url
    }

    /// One URL of a member that does not answer must not hide the other.
    #[tokio::test]
    async fn the_next_url_is_asked() {
        let client = client(Connector::plain());
        let limit = Duration::from_secs(20);
        let question = Question::get("/members");
        let url = served(b"HTTP/1.1 412 no\r\nContent-Length: 2\r\n\r\nhi").await;
        let urls = ["ftp://x".to_owned(), "http://127.0.0.1:1".to_owned(), url];
        let answer = ask_any(&client, &urls, &question, limit).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (412, &b"hi"[..])
        );
        assert!(ask_any(&client, &[], &question, limit).await.is_err());
    }
}
