#include "proxy/net/tcp_connector.hpp"

#include "proxy/net/tcp_stream.hpp"

#include <vector>

#include <utility>

namespace proxy::net {

std::unique_ptr<Stream> TcpConnector::connect(const Endpoint& endpoint) {
  if (endpoint.host.starts_with('/')) return TcpStream::connect_local(loop_, endpoint.host);
  if (const std::optional<Address> literal = Address::parse(endpoint.host, endpoint.port)) {
    return TcpStream::connect(loop_, {*literal}, options_);
  }
  const NameTable::Addresses known = names_.find(endpoint.host);
  if (known == nullptr) return TcpStream::make_broken(loop_, "the host's name is not resolved");

  std::vector<Address> candidates;
  for (const Address& address : *known) candidates.push_back(address.with_port(endpoint.port));
  return TcpStream::connect(loop_, std::move(candidates), options_);
}

std::unique_ptr<Stream> TcpConnector::receive(std::unique_ptr<Freight> freight) {
  return TcpStream::put_in(loop_, std::move(freight));
}

}  // namespace proxy::net
