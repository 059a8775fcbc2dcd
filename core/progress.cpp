#include "weft/core/progress.h"

#include <fmt/format.h>
#include <unistd.h>

namespace weft {
namespace {

std::string clock_text(double seconds) {
  const auto s = static_cast<long>(seconds + 0.5);
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::string unit, std::FILE* stream)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      stream_(stream),
      terminal_(stream && isatty(fileno(stream))),
      start_(Clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
  if (done_ > 0) finish();
}

// A stream that takes nothing (closed, or on a full disk) is no reason to stop.
void Progress::print(const std::string& text) {
  std::fputs(text.c_str(), stream_);
  std::fflush(stream_);
}

std::string Progress::line(std::int64_t done, const std::string& note, bool last) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1.0;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  std::string text = label_;
  if (terminal_) {
    const auto filled = static_cast<std::size_t>(20 * share);
    text += fmt::format("  [{}{}]", std::string(filled, '#'), std::string(20 - filled, '.'));
  }
  text += fmt::format("  {:3.0f}%  {}/{} {}  {:.1f}/s", 100 * share, done, total_, unit_, rate);
  text += last ? fmt::format("  {} in all", clock_text(seconds))
               : fmt::format("  {} left", rate > 0 ? clock_text(static_cast<double>(total_ - done) / rate) : "?");
  return note.empty() ? text : text + "  " + note;
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  if (!stream_ || finished_) return;
  const auto now = Clock::now();
  if (terminal_) {
    if (now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    print("\r\x1b[K" + line(done, note, false));
  } else {
    const std::int64_t tenth = total_ > 0 ? 10 * done / total_ : 0;
    if (tenth == printed_ || done >= total_) return;
    printed_ = tenth;
    print(line(done, note, false) + "\n");
  }
}

void Progress::finish(const std::string& note) {
  if (!stream_ || finished_) return;
  finished_ = true;
  print((terminal_ ? "\r\x1b[K" : "") + line(done_, note, true) + "\n");
}

}  // namespace weft
