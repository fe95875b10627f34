//! Services that others wrote, mounted behind our own request checks: health
//! (`grpc.health.v1`) and reflection (`grpc.reflection.v1` and `v1alpha`).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use super::Caller;
use crate::grpc::{BoxError, Code, MAX_REQUEST, Mounted, RequestBody, Router, Status};
use crate::proto;

/// The services whose health is told besides the whole server's.
const SERVICES: [&str; 3] =
    ["falco.outputs.service", "falco.version.service", "falconer.v1.EventService"];

/// Adds the health service, serving, and gives what changes it. Watching ends at `stop`.
pub async fn health(router: Router, stop: &CancellationToken) -> (Router, HealthReporter) {
    let (reporter, server) = health_reporter();
    for service in SERVICES {
        reporter.set_service_status(service, tonic_health::ServingStatus::Serving).await;
    }
    let server = server.max_decoding_message_size(MAX_REQUEST);
    (router.mount("grpc.health.v1.Health", mount(server, stop)), reporter)
}

/// Tells whoever watches whether alerts can come in. Falco's version is told whatever comes in.
pub async fn inputs_are(reporter: &HealthReporter, up: bool) {
    use tonic_health::ServingStatus::{NotServing, Serving};
    let status = if up { Serving } else { NotServing };
    for service in ["", "falco.outputs.service", "falconer.v1.EventService"] {
        reporter.set_service_status(service, status).await;
    }
}

/// Tells whoever watches that the server is about to stop.
pub async fn stop_serving(reporter: &HealthReporter) {
    for service in SERVICES.into_iter().chain([""]) {
        reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
    }
}

/// Adds both versions of the reflection service, with every service there is. Open streams end at
/// `stop`.
///
/// # Errors
/// When the descriptors that were compiled in do not decode, which a test rules out.
pub fn reflection(
    router: Router,
    stop: &CancellationToken,
) -> Result<Router, tonic_reflection::server::Error> {
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
    let v1 = builder().build_v1()?.max_decoding_message_size(MAX_REQUEST);
    let v1alpha = builder().build_v1alpha()?.max_decoding_message_size(MAX_REQUEST);
    Ok(router
        .mount("grpc.reflection.v1.ServerReflection", mount(v1, stop))
        .mount("grpc.reflection.v1alpha.ServerReflection", mount(v1alpha, stop)))
}

fn mount<S>(service: S, stop: &CancellationToken) -> Mounted
where
    S: Service<Request<RequestBody>, Response = Response<tonic::body::Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let stop = stop.clone();
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<RequestBody>| {
        // The connection's calls may have to end before the server does.
        let caller = request.extensions().get::<Caller>();
        let ending = caller.map_or_else(|| stop.clone(), |caller| caller.ending.clone());
        let stopped = move || Box::pin(ending.clone().cancelled_owned());
        let requests = stopped();
        let request =
            request.map(|body| StoppableRequests { body, stopped: requests }.boxed_unsync());
        service.clone().oneshot(request).map_ok(move |response: Response<_>| {
            response.map(|body| TonicBody(Some((body, stopped()))).boxed_unsync())
        })
    }))
}

type Stopped = Pin<Box<WaitForCancellationFutureOwned>>;

/// A request's body that ends when the server stops: reflection reads it in a task of its own,
/// which would hold the connection for as long as the client sends.
struct StoppableRequests {
    body: RequestBody,
    stopped: Stopped,
}

impl http_body::Body for StoppableRequests {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// A body of tonic's as one of ours: it ends with a status, also when it would end with an error,
/// for which hyper resets a stream, or not at all while the server stops.
struct TonicBody(Option<(tonic::body::Body, Stopped)>);

impl http_body::Body for TonicBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((body, stopped)) = &mut self.0 else { return Poll::Ready(None) };
        let trailers = match Pin::new(body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => return Poll::Ready(Some(Ok(frame))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(status))) => {
                let mut trailers = http::HeaderMap::new();
                // What does not fit a header was not meant for one; the code always does.
                let _ = status.add_header(&mut trailers);
                trailers
            }
            Poll::Pending => {
                std::task::ready!(stopped.as_mut().poll(context));
                Status::new(Code::Unavailable, "the server is stopping; reconnect").trailers()
            }
        };
        self.0 = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }
}

impl std::fmt::Debug for TonicBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TonicBody")
    }
}
