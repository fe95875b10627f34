//! Rejects requests that are not gRPC, before any service sees them (gRPC over HTTP/2, "Requests";
//! grpc-go does the same).
//!
//! | request | answer |
//! |---|---|
//! | not POST | 405 and INTERNAL |
//! | content type not `application/grpc`, alone or with `+…` or `;…` | 415 |
//! | `application/grpc+x`, x not `proto` | UNIMPLEMENTED |

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::Service;

use super::body::{self, Body};
use super::{Code, Status};

const GRPC_PROTO: HeaderValue = HeaderValue::from_static("application/grpc+proto");

/// Passes gRPC requests on and rejects others.
#[derive(Debug, Clone)]
pub struct Accept<S>(pub(super) S);

impl<S, B> Service<Request<B>> for Accept<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match judge(request.method(), request.headers().get(CONTENT_TYPE)) {
            Verdict::Grpc => Box::pin(self.0.call(request)),
            Verdict::GrpcProto => {
                let reply = self.0.call(request);
                Box::pin(async move {
                    let mut response = reply.await?;
                    // The client named the subtype, so the reply repeats it.
                    response.headers_mut().insert(CONTENT_TYPE, GRPC_PROTO);
                    Ok(response)
                })
            }
            Verdict::Refused(response) => Box::pin(std::future::ready(Ok(*response))),
        }
    }
}

#[derive(Debug)]
enum Verdict {
    Grpc,
    GrpcProto,
    Refused(Box<Response<Body>>),
}

fn judge(method: &Method, content_type: Option<&HeaderValue>) -> Verdict {
    let refused = |response| Verdict::Refused(Box::new(response));
    let subtype = match content_type.and_then(|value| subtype(value.as_bytes())) {
        _ if method != Method::POST => {
            let status = Status::new(Code::Internal, "gRPC calls are POST requests");
            let mut response = status.into_response();
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return refused(response);
        }
        None => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return refused(response);
        }
        Some(subtype) => subtype,
    };
    match subtype {
        b"" => Verdict::Grpc,
        b"proto" => Verdict::GrpcProto,
        _ => refused(
            Status::new(Code::Unimplemented, "only application/grpc+proto is supported")
                .into_response(),
        ),
    }
}

/// Returns what follows `application/grpc+`, without parameters. Empty if there is no `+`, `None`
/// if the content type is not gRPC.
fn subtype(content_type: &[u8]) -> Option<&[u8]> {
    let (head, rest) = content_type.split_at_checked(b"application/grpc".len())?;
    if !head.eq_ignore_ascii_case(b"application/grpc") {
        return None;
    }
    let rest = rest.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    match rest.split_first() {
        None => Some(b""),
        // An empty subtype is unsupported.
        Some((b'+', b"")) => Some(rest),
        Some((b'+', subtype)) => Some(subtype),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (content_type, expected) in [
            ("application/grpc", Some(&b""[..])),
            ("Application/GRPC", Some(b"")),
            ("application/grpc;charset=utf-8", Some(b"")),
            ("application/grpc ; x=y", Some(b"")),
            ("application/grpc+proto", Some(b"proto")),
            ("application/grpc+json;x", Some(b"json")),
            ("application/grpc+", Some(b"+")),
            ("application/grpc-web", None),
            ("application/grpc-web+proto", None),
            ("application/grpcx", None),
            ("application/json", None),
            ("text/plain; application/grpc", None),
            ("", None),
        ] {
            assert_eq!(subtype(content_type.as_bytes()), expected, "{content_type}");
        }
    }
}
