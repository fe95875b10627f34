//! Services that others wrote, mounted behind our own request checks: health
//! (`grpc.health.v1`) and reflection (`grpc.reflection.v1` and `v1alpha`).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::grpc::{Mounted, RequestBody, Router};
use crate::proto;

/// The services whose health is told besides the whole server's.
const SERVICES: [&str; 2] = ["falco.outputs.service", "falco.version.service"];

/// Adds the health service, serving, and gives what changes it.
pub async fn health(router: Router) -> (Router, HealthReporter) {
    let (reporter, server) = health_reporter();
    for service in SERVICES {
        reporter.set_service_status(service, tonic_health::ServingStatus::Serving).await;
    }
    (router.mount("grpc.health.v1.Health", mount(server)), reporter)
}

/// Tells whoever watches that the server is about to stop.
pub async fn stop_serving(reporter: &HealthReporter) {
    for service in SERVICES.into_iter().chain([""]) {
        reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
    }
}

/// Adds both versions of the reflection service, with every service there is.
///
/// # Errors
/// When the descriptors that were compiled in do not decode, which a test rules out.
pub fn reflection(router: Router) -> Result<Router, tonic_reflection::server::Error> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Each version lists the other too: clients that look for one find it.
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            )
            .include_reflection_service(false)
    };
    Ok(router
        .mount("grpc.reflection.v1.ServerReflection", mount(builder().build_v1()?))
        .mount("grpc.reflection.v1alpha.ServerReflection", mount(builder().build_v1alpha()?)))
}

fn mount<S>(service: S) -> Mounted
where
    S: Service<Request<RequestBody>, Response = Response<tonic::body::Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(
        service.map_response(|response| response.map(|body| TonicBody(Some(body)).boxed_unsync())),
    )
}

/// A body of tonic's as one of ours: an error it ends with becomes trailers, so that hyper never
/// resets the stream for it.
struct TonicBody(Option<tonic::body::Body>);

impl http_body::Body for TonicBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        match std::task::ready!(Pin::new(body).poll_frame(context)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Ready(None),
            Some(Err(status)) => {
                self.0 = None;
                let mut trailers = http::HeaderMap::new();
                // What does not fit a header was not meant for one; the code always does.
                let _ = status.add_header(&mut trailers);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(tonic::body::Body::is_end_stream)
    }
}

impl std::fmt::Debug for TonicBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TonicBody")
    }
}
