#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/message.hpp"
#include "tests/fuzz/require.hpp"

#include <cstdint>

using tests::fuzz::require;

/// A server's bytes cut into frames; the reports among them are decoded, written again and decoded again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace protocol;
  using namespace protocol::postgres;
  ByteView bytes = std::as_bytes(std::span(data, size));
  while (const std::optional<FrameHeader> header = scan_frame_header(bytes)) {
    if (header->length < frame_length_min || bytes.size() < header->frame_bytes()) return 0;
    const ByteView payload = bytes.subspan(frame_header_bytes, header->payload_bytes());
    bytes = bytes.subspan(header->frame_bytes());
    const Result<ErrorReport> report = decode_error_report(payload);
    if (!report) continue;
    const ErrorFields fields{std::string(report->severity), std::string(report->code), std::string(report->message),
                             std::string(report->detail), std::string(report->hint)};
    Bytes written;
    write_error_response(fields, written);
    const std::optional<FrameHeader> header_again = scan_frame_header(written);
    require(header_again && header_again->frame_bytes() == written.size(), "a written report is one whole frame");
    const Result<ErrorReport> again = decode_error_report(ByteView(written).subspan(frame_header_bytes));
    require(again.has_value(), "a written report can be decoded");
    require(again->severity == report->severity && again->code == report->code && again->message == report->message &&
                again->detail == report->detail && again->hint == report->hint && again->is_fatal() == report->is_fatal(),
            "decode, write, decode is stable");
  }
  return 0;
}
