//! The roots and revocation lists that client certificates are checked against.
//!
//! 1. Every certificate in `root_certs` is a root. Where none of them can have signed another, as
//!    when the server's own certificate is named, no client would ever get in: that is refused.
//! 2. A revocation list that is there is used for the whole chain, and what no list covers is
//!    refused. One that is out of date still counts, with a warning: clients are worth more than a
//!    day's revocations.
//! 3. Of several lists of one name the newest counts: rustls asks the first it is given, whose key
//!    ever signed it. An authority that kept its name and changed its key is a warning.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use webpki::OwnedCertRevocationList;

use super::files::{Shown, Source, TlsError};
use super::legacy::{Rule, Verifier, verify};
use super::x509::{Certificate, RevocationList};
use super::{Findings, TlsFiles, identity};

/// Reads the roots and the lists.
pub(super) fn load(
    files: &TlsFiles,
    own: &CertifiedKey,
    provider: &Arc<CryptoProvider>,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let source = Source::read("grpc.root_certs", &files.root_certs)?;
    let certificates = source.certificates()?;
    check_roots(&source, &certificates, own, now, findings)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| {
            source.wrong(
                "a certificate in it is not X.509; take it out, make it again, or copy it again",
            )
        })?;
    }
    let mut lists = Vec::new();
    for path in &files.crls {
        let found = revocation_lists(path, now, findings)?;
        lists.extend(found.into_iter().map(|list| (path.as_path(), list)));
    }
    lists.sort_by_cached_key(|(_, list)| {
        Reverse(RevocationList::read(list).ok().map(|l| l.order()))
    });
    let algorithms = provider.signature_verification_algorithms;
    if !lists.is_empty() {
        warn_of_uncovered(&source, &roots, &lists, &algorithms, findings);
    }

    let lists: Vec<_> = lists.into_iter().map(|(_, list)| list).collect();
    let rule = files.legacy_v1_certs.then(|| Rule::new(&roots, &lists, algorithms));
    let standard = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(lists)
        .build()
        .map_err(|error| source.wrong(error.to_string()))?;
    Ok(Arc::new(Verifier::new(standard, rule)))
}

fn check_roots(
    source: &Source<'_>,
    certificates: &[CertificateDer<'_>],
    own: &CertifiedKey,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<(), TlsError> {
    let read: Vec<_> =
        certificates.iter().filter_map(|certificate| Certificate::read(certificate).ok()).collect();
    // Signed by another, and not to sign others itself.
    let useless = |root: &&Certificate<'_>| !root.is_authority() && !root.is_self_issued();
    let first_useless = read.iter().find(useless);
    if let Some(root) = first_useless {
        let is_own = certificates.first() == own.cert.first();
        let what = if is_own { "the server's own certificate" } else { "no authority's" };
        let signer = identity::of_name(root.issuer).unwrap_or_else(|| "its signer".into());
        let reason = format!(
            "it is {what}, so no client's certificate can be signed by it; name the certificate \
             of the authority, \"{signer}\""
        );
        if read.iter().all(|root| useless(&root)) {
            return Err(source.wrong(reason));
        }
        let reason = format!("one certificate in it is not an authority's, \"{signer}\" signed it");
        findings.warnings.push(source.warning(format_args!("{reason}; take it out")));
    }
    for root in read.iter().filter(|root| now > root.not_after) {
        findings.warnings.push(source.warning(format_args!(
            "an authority in it expired on {}, so clients refuse what it signed; make it again \
             and sign all certificates anew, or `falconer certs init DIR`",
            root.not_after
        )));
    }
    let not_after = read.iter().map(|root| root.not_after).min();
    findings.not_after.extend(not_after.map(|time| (source.path.into(), time)));
    Ok(())
}

fn revocation_lists(
    path: &Path,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let source = Source::read("falconer.tls.crls", path)?;
    let lists = source.revocation_lists()?;
    for list in &lists {
        let read = RevocationList::read(list);
        let (Ok(read), Ok(_)) = (read, OwnedCertRevocationList::from_der(list)) else {
            return Err(source.wrong(
                "a revocation list in it cannot be used; expected version 2, complete and \
                 direct, as `openssl ca -gencrl` makes it",
            ));
        };
        let Some(next) = read.next_update else { continue };
        findings.not_after.push((path.into(), next));
        if now > next {
            findings.warnings.push(source.warning(format_args!(
                "a newer revocation list was due on {next}; what was revoked since is not known \
                 here; fetch the newest"
            )));
        }
    }
    Ok(lists)
}

/// Authorities whose certificates are refused since no list, or one of another key, is there.
fn warn_of_uncovered(
    source: &Source<'_>,
    roots: &RootCertStore,
    lists: &[(&Path, CertificateRevocationListDer<'_>)],
    algorithms: &WebPkiSupportedAlgorithms,
    findings: &mut Findings,
) {
    let lists: Vec<_> = lists
        .iter()
        .filter_map(|(path, list)| Some((Shown(path), RevocationList::read(list).ok()?)))
        .collect();
    for root in &roots.roots {
        let name = identity::of_name(&root.subject).unwrap_or_else(|| "without a name".into());
        let mut its = lists.iter().filter(|(_, list)| list.issuer == root.subject.as_ref());
        let Some((newest, list)) = its.next() else {
            findings.warnings.push(source.warning(format_args!(
                "falconer.tls.crls has no list of the authority \"{name}\", so every certificate \
                 it signed is refused; add its list"
            )));
            continue;
        };
        if verify(&list.signed, &webpki::spki_for_anchor(root), algorithms).is_err() {
            let older: String = its.map(|(path, _)| format!(" and before {path}")).collect();
            findings.warnings.push(source.warning(format_args!(
                "the newest list of the authority \"{name}\" is {newest}{older}, and a certificate \
                 of that name has another key than the one that signed it, so every version 3 \
                 certificate of that key is refused; sign those anew, or give the two authorities \
                 different names"
            )));
        }
    }
}
