#include "proxy/secrets/credential_store.hpp"

#include <doctest/doctest.h>

#include <memory>

namespace proxy::secrets {
namespace {

protocol::LoginProofPointer proof() { return std::make_shared<const protocol::LoginProof>(); }

}  // namespace

TEST_CASE("credential store: a login → found by its user; the next one of the user replaces it") {
  CredentialStore store;
  CHECK(store.find("alice") == nullptr);
  const auto first = proof();
  const auto second = proof();
  store.keep("alice", first);
  CHECK(store.find("alice") == first);
  store.keep("alice", second);
  CHECK(store.find("alice") == second);
  CHECK(store.user_count() == 1);
  CHECK(first.use_count() == 1);
}

TEST_CASE("credential store: a login that has shown nothing → what was there stays") {
  CredentialStore store;
  const auto first = proof();
  store.keep("alice", first);
  store.keep("alice", nullptr);
  store.keep("bob", nullptr);
  CHECK(store.find("alice") == first);
  CHECK(store.user_count() == 1);
}

TEST_CASE("credential store: full → the user whose login is longest ago makes room, and its secret is let go") {
  CredentialStore store(2);
  const auto alices = proof();
  store.keep("alice", alices);
  store.keep("bob", proof());
  store.keep("alice", alices);
  store.keep("carol", proof());
  CHECK(store.find("bob") == nullptr);
  CHECK(store.find("alice") == alices);
  store.keep("dave", proof());
  CHECK(store.find("alice") == nullptr);
  CHECK(alices.use_count() == 1);
  CHECK(store.user_count() == 2);
}

TEST_CASE("credential store: forgotten → gone, and its place is free") {
  CredentialStore store(1);
  store.keep("alice", proof());
  store.forget("alice");
  store.forget("nobody");
  CHECK(store.find("alice") == nullptr);
  store.keep("bob", proof());
  CHECK(store.find("bob") != nullptr);
}

}  // namespace proxy::secrets
