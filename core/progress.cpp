#include "weft/core/progress.h"

#include <algorithm>
#include <new>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "weft/core/clock.h"

namespace weft {
namespace {

std::string clock_text(double seconds) {
  const auto s = static_cast<long>(seconds + 0.5);
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

constexpr std::size_t bar_width = 20;

/// Columns of a terminal; what does not say has as many as a page.
std::size_t width_of(std::FILE* terminal) {
  winsize size{};
  return ioctl(fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// Of UTF-8, one column a code point. The last column stays free: some terminals go to the next line there.
std::string cut(const std::string& text, std::size_t columns) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((text[i] & 0xC0) != 0x80 && ++seen == columns) return text.substr(0, i);
  return text;
}

std::int64_t tenth_of(std::int64_t done, std::int64_t total) {
  return total > 0 ? static_cast<std::int64_t>(10 * static_cast<double>(done) / static_cast<double>(total)) : 0;
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::string unit, std::FILE* stream)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(std::max<std::int64_t>(0, total)),
      stream_(stream),
      terminal_(stream && isatty(fileno(stream))),
      start_(Clock::now()),
      drawn_(start_) {}

Progress::~Progress() {
  try {
    if (done_ > 0) finish();
  } catch (const std::bad_alloc&) {  // no memory for a last line
  }
}

// A stream that takes nothing (closed, or on a full disk) is no reason to stop.
void Progress::print(const std::string& text) {
  std::fputs(text.c_str(), stream_);
  std::fflush(stream_);
}

std::string Progress::line(const std::string& note, bool last) const {
  const double seconds = seconds_since(start_);
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1.0;
  const double rate = seconds > 0 ? static_cast<double>(done_ - begun_) / seconds : 0.0;
  std::string text = label_;
  if (terminal_) {
    const auto filled = static_cast<std::size_t>(bar_width * share);
    text += fmt::format("  [{}{}]", std::string(filled, '#'), std::string(bar_width - filled, '.'));
  }
  text += fmt::format("  {:3.0f}%  {}/{} {}  {:.1f}/s", 100 * share, done_, total_, unit_, rate);
  text += last ? fmt::format("  {} in all", clock_text(seconds))
               : fmt::format("  {} left", rate > 0 ? clock_text(static_cast<double>(total_ - done_) / rate) : "?");
  if (!note.empty()) text += "  " + note;
  return terminal_ ? "\r\x1b[K" + cut(text, width_of(stream_)) : text;
}

void Progress::begin(std::int64_t done) {
  begun_ = done_ = std::clamp<std::int64_t>(done, 0, total_);
  start_ = Clock::now();
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = std::clamp<std::int64_t>(done, 0, total_);
  if (!stream_ || finished_) return;
  const auto now = Clock::now();
  if (terminal_) {
    if (now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    print(line(note, false));
  } else {
    const std::int64_t tenth = tenth_of(done_, total_);
    if (tenth == printed_ || done_ >= total_) return;
    printed_ = tenth;
    print(line(note, false) + "\n");
  }
}

void Progress::finish(const std::string& note) {
  if (!stream_ || finished_) return;
  finished_ = true;
  print(line(note, true) + "\n");
}

}  // namespace weft
