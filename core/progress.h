#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace weft {

/// Progress of a long job: a bar with rate and time left that redraws itself on a terminal, a plain line about every
/// tenth of the work (and at the end) in a log. The one part of weft that prints, and only to the stream it was given.
///     zoo  [########............]  41%  820/2000 networks  133.0/s  0:08 left
class Progress {
 public:
  /// `unit` names what is counted: "networks". `stream` may be null: silent.
  Progress(std::string label, std::int64_t total, std::string unit, std::FILE* stream);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// What an earlier run had done: rate and time left are of what comes now.
  void begin(std::int64_t done);
  /// `done` items so far, of what is beyond 0 and the total the nearest; `note` is shown behind the numbers ("loss
  /// 0.31"). On a terminal a line is cut to its width.
  void update(std::int64_t done, const std::string& note = {});
  /// The last line, with the whole time. The destructor calls it when there was progress.
  void finish(const std::string& note = {});

 private:
  void print(const std::string& text);
  std::string line(const std::string& note, bool last) const;

  std::string label_, unit_;
  std::int64_t total_, begun_ = 0, done_ = 0, printed_ = -1;
  std::FILE* stream_;
  bool terminal_, finished_ = false;
  std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace weft
