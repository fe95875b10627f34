//! Finds the method of a path, `/package.Service/Method`, which must match byte for byte.
//!
//! Services of tonic (reflection, health) are mounted by name. An unknown method is UNIMPLEMENTED
//! with HTTP status 200, as gRPC specifies.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use super::body::{Body, RequestBody};
use super::{Code, MAX_REQUEST, Method, Status};

/// A mounted service: it gets all requests with its name.
pub type Mounted = BoxCloneSyncService<Request<RequestBody>, Response<Body>, Infallible>;

/// The methods of a server.
#[derive(Debug, Clone, Default)]
pub struct Router(Arc<Table>);

#[derive(Debug, Clone, Default)]
struct Table {
    methods: HashMap<&'static str, Method>,
    mounted: HashMap<&'static str, Mounted>,
    hints: HashMap<&'static str, &'static str>,
    /// The limit of a request message, in bytes. The default is [`MAX_REQUEST`].
    max_request: Option<usize>,
}

impl Router {
    /// Adds a method at `path`, `/package.Service/Method`.
    #[must_use]
    pub fn method(mut self, path: &'static str, method: Method) -> Self {
        Arc::make_mut(&mut self.0).methods.insert(path, method);
        self
    }

    /// Adds a service with all its methods by its full name, `package.Service`.
    #[must_use]
    pub fn mount(mut self, service: &'static str, mounted: Mounted) -> Self {
        Arc::make_mut(&mut self.0).mounted.insert(service, mounted);
        self
    }

    /// Accepts request messages of at most `bytes`, instead of [`MAX_REQUEST`].
    #[must_use]
    pub fn max_request(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.0).max_request = Some(bytes);
        self
    }

    /// Sets the status message for calls of `path`, a method that no longer exists.
    #[must_use]
    pub fn gone(mut self, path: &'static str, hint: &'static str) -> Self {
        Arc::make_mut(&mut self.0).hints.insert(path, hint);
        self
    }

    fn unimplemented(&self, path: &str) -> Status {
        match self.0.hints.get(path) {
            Some(hint) => Status::new(Code::Unimplemented, *hint),
            None => {
                /// The longest path that a message repeats, in characters. A peer chooses the path.
                const SHOWN: usize = 100;
                let shown: String = path.chars().take(SHOWN).collect();
                Status::new(Code::Unimplemented, format!("unknown method {shown}"))
            }
        }
    }
}

impl Service<Request<RequestBody>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let path = request.uri().path();
        if let Some(method) = self.0.methods.get(path) {
            let (method, limit) = (method.clone(), self.0.max_request.unwrap_or(MAX_REQUEST));
            return Box::pin(async move { Ok(method.call(request, limit).await) });
        }
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        if let Some(mounted) = service.and_then(|(name, _)| self.0.mounted.get(name)) {
            return Box::pin(mounted.clone().oneshot(request));
        }
        let response = self.unimplemented(path).into_response();
        Box::pin(std::future::ready(Ok(response)))
    }
}
