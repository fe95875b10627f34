//! The services of tonic, mounted behind Falconer's request checks: health (`grpc.health.v1`) and
//! reflection (`grpc.reflection.v1` and `v1alpha`).

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

/// The services that have a health status of their own, besides the server's.
const SERVICES: [&str; 3] =
    ["falco.outputs.service", "falco.version.service", "falconer.v1.EventService"];

/// Adds the health service with all services SERVING, and returns the reporter that changes them.
/// Open `Watch` calls end at `stop`.
pub async fn health(router: Router, stop: &CancellationToken) -> (Router, HealthReporter) {
    let (reporter, server) = health_reporter();
    for service in SERVICES {
        reporter.set_service_status(service, tonic_health::ServingStatus::Serving).await;
    }
    let server = server.max_decoding_message_size(MAX_REQUEST);
    (router.mount("grpc.health.v1.Health", mount(server, stop)), reporter)
}

/// Reports whether the inputs are up. `falco.version.service` stays SERVING, because it does not
/// depend on inputs.
pub async fn inputs_are(reporter: &HealthReporter, up: bool) {
    use tonic_health::ServingStatus::{NotServing, Serving};
    let status = if up { Serving } else { NotServing };
    for service in ["", "falco.outputs.service", "falconer.v1.EventService"] {
        reporter.set_service_status(service, status).await;
    }
}

/// Reports NOT_SERVING for every service, before the server shuts down.
pub async fn stop_serving(reporter: &HealthReporter) {
    for service in SERVICES.into_iter().chain([""]) {
        reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
    }
}

/// Adds both versions of the reflection service, which list every service. Open streams end at
/// `stop`.
///
/// # Errors
/// If the compiled-in descriptors do not decode. A test checks that they do.
pub fn reflection(
    router: Router,
    stop: &CancellationToken,
) -> Result<Router, tonic_reflection::server::Error> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Each version lists the other too, so that clients find the one they look for.
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
        // A connection's calls may have to end before the server shuts down.
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

/// A request body that ends when the call must end. Reflection reads the body in a task of its own,
/// which would otherwise keep the connection open for as long as the client sends.
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

/// Wraps a body of tonic's so that it always ends with a status. On an error, hyper would reset the
/// stream. At shutdown, a watch would not end.
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
                // Fails only if the message does not fit a header. The code is added before.
                let _ = status.add_header(&mut trailers);
                trailers
            }
            Poll::Pending => {
                std::task::ready!(stopped.as_mut().poll(context));
                Status::new(Code::Unavailable, "the server is shutting down; reconnect").trailers()
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
