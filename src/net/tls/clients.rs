//! Builds the verifier of client certificates from the roots and revocation lists.
//!
//! 1. The authorities in `root_certs` are roots. A self-signed certificate that is not an authority
//!    is trusted only for itself. Any other certificate is ignored with a warning. If none is left,
//!    such as with the server's own certificate, no client could connect, so that is an error.
//! 2. With revocation lists, the whole chain is checked, and a certificate that no list covers is
//!    rejected. A list that is out of date still counts, with a warning. Otherwise a list that is a
//!    day late would lock out every client.
//! 3. Of several lists with the same issuer name the newest counts. rustls uses the first of them,
//!    whichever key signed it. So an authority that kept its name and changed its key is a warning.

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
use super::standard::Standard;
use super::x509::{Certificate, RevocationList};
use super::{TlsFiles, identity};

/// Reads the roots and the lists. Without roots the verifier requests no client certificate.
pub(super) fn load(
    files: &TlsFiles,
    own: &CertifiedKey,
    provider: &Arc<CryptoProvider>,
    now: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some(path) = &files.root_certs else { return Ok(WebPkiClientVerifier::no_client_auth()) };
    let source = Source::read(files.serves.root_certs(), path)?;
    let certificates = source.certificates()?;
    let (authorities, alone) = roots(&source, certificates, own, now, warnings)?;
    let mut lists = Vec::new();
    for path in &files.crls {
        let found = revocation_lists(path, now, warnings)?;
        lists.extend(found.into_iter().map(|list| (path.as_path(), list)));
    }
    lists.sort_by_cached_key(|(_, list)| {
        Reverse(RevocationList::read(list).ok().map(|l| l.order()))
    });
    let algorithms = provider.signature_verification_algorithms;
    if !lists.is_empty() {
        warn_of_uncovered(&source, &authorities, &lists, &algorithms, warnings);
    }

    let lists: Vec<_> = lists.into_iter().map(|(_, list)| list).collect();
    let rule = files.legacy_v1_certs.then(|| Rule::new(&authorities, &lists, algorithms));
    let standard = Standard::new(authorities, alone, |roots| {
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .with_crls(lists.clone())
            .build()
    });
    let standard = standard.map_err(|error| source.wrong(error.to_string()))?;
    Ok(Arc::new(Verifier::new(standard, rule, files.serves.needs_certificate())))
}

/// The authorities, and the certificates that are trusted only for themselves.
type Roots = (RootCertStore, Vec<CertificateDer<'static>>);

fn roots(
    source: &Source<'_>,
    certificates: Vec<CertificateDer<'static>>,
    own: &CertifiedKey,
    now: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<Roots, TlsError> {
    let not_x509 = || {
        source.wrong("a certificate in it is not X.509; remove it, make it again, or copy it again")
    };
    let (mut authorities, mut alone) = (RootCertStore::empty(), Vec::new());
    let mut signers = Vec::new();
    let is_own = certificates.first() == own.cert.first();
    for der in certificates {
        let root = Certificate::read(&der).map_err(|_| not_x509())?;
        if !root.is_authority() && !root.is_self_issued() {
            let signer = identity::of_name(root.issuer).unwrap_or_else(|| "its signer".into());
            warnings.push(source.warning(format_args!(
                "one certificate in it is not an authority's, \"{signer}\" signed it; it is \
                 ignored, and clients that it signed are rejected; remove it"
            )));
            signers.push(signer);
            continue;
        }
        warn_of_root(source, &root, now, warnings);
        if root.is_authority() {
            authorities.add(der.clone()).map_err(|_| not_x509())?;
        } else {
            alone.push(der.clone());
        }
    }
    if authorities.is_empty() && alone.is_empty() {
        let signer = signers.first().map_or("its signer", String::as_str);
        let what = if is_own { "the server's own certificate" } else { "not an authority's" };
        return Err(source.wrong(format!(
            "it is {what}, so it cannot sign a client's certificate; name the certificate of the \
             authority, \"{signer}\""
        )));
    }
    Ok((authorities, alone))
}

fn warn_of_root(
    source: &Source<'_>,
    root: &Certificate<'_>,
    now: Timestamp,
    warnings: &mut Vec<String>,
) {
    if !root.is_authority() {
        let name = identity::of_name(root.subject).unwrap_or_else(|| "without a name".into());
        warnings.push(source.warning(format_args!(
            "\"{name}\" is self-signed and not an authority's, so it is accepted, and certificates \
             that it signed are rejected; if it has to sign others, make it again with \
             basicConstraints=CA:TRUE"
        )));
    } else if now > root.not_after {
        warnings.push(source.warning(format_args!(
            "an authority in it expired on {}; this server still accepts its clients, but clients \
             that trust it reject this server; make it again and sign all certificates anew, or \
             run `falconer certs init DIR`",
            root.not_after
        )));
    }
}

fn revocation_lists(
    path: &Path,
    now: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let source = Source::read("falconer.tls.crls", path)?;
    let lists = source.revocation_lists()?;
    for list in &lists {
        let read = RevocationList::read(list);
        let (Ok(read), Ok(_)) = (read, OwnedCertRevocationList::from_der(list)) else {
            return Err(source.wrong(
                "cannot use a revocation list in it; expected version 2, complete and direct, as \
                 `openssl ca -gencrl` makes it",
            ));
        };
        let Some(next) = read.next_update else { continue };
        if now > next {
            warnings.push(source.warning(format_args!(
                "a newer revocation list was due on {next}; certificates revoked since are still \
                 accepted; fetch the newest list"
            )));
        }
    }
    Ok(lists)
}

/// Warns of authorities whose certificates are rejected, because their list is missing or another
/// key signed it.
fn warn_of_uncovered(
    source: &Source<'_>,
    roots: &RootCertStore,
    lists: &[(&Path, CertificateRevocationListDer<'_>)],
    algorithms: &WebPkiSupportedAlgorithms,
    warnings: &mut Vec<String>,
) {
    let lists: Vec<_> = lists
        .iter()
        .filter_map(|(path, list)| Some((Shown(path), RevocationList::read(list).ok()?)))
        .collect();
    for root in &roots.roots {
        let name = identity::of_name(&root.subject).unwrap_or_else(|| "without a name".into());
        let mut its = lists.iter().filter(|(_, list)| list.issuer == root.subject.as_ref());
        let Some((newest, list)) = its.next() else {
            warnings.push(source.warning(format_args!(
                "falconer.tls.crls has no list of the authority \"{name}\", so every certificate \
                 that it signed is rejected; add its list"
            )));
            continue;
        };
        if verify(&list.signed, &webpki::spki_for_anchor(root), algorithms).is_err() {
            let older: String = its.map(|(path, _)| format!(", before it {path}")).collect();
            warnings.push(source.warning(format_args!(
                "the newest list of the authority \"{name}\" is {newest}{older}; a certificate of \
                 that name has another key than the one that signed the list, so every version 3 \
                 certificate of that key is rejected; sign those anew, or give the two authorities \
                 different names"
            )));
        }
    }
}
