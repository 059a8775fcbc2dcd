#include "weft/core/progress.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

using weft::Progress;

namespace {

using namespace std::chrono_literals;

/// A stream whose text is read back: a file, or a terminal of a width.
class Stream {
 public:
  Stream() : reading_(-1), file_(std::tmpfile()) {}
  explicit Stream(int columns) : reading_(posix_openpt(O_RDWR | O_NOCTTY)) {
    REQUIRE((reading_ >= 0 && grantpt(reading_) == 0 && unlockpt(reading_) == 0));
    file_ = std::fopen(ptsname(reading_), "w");
    REQUIRE(file_);
    const winsize size{.ws_row = 24, .ws_col = static_cast<unsigned short>(columns), .ws_xpixel = 0, .ws_ypixel = 0};
    REQUIRE(ioctl(reading_, TIOCSWINSZ, &size) == 0);
  }
  ~Stream() {
    std::fclose(file_);
    if (reading_ >= 0) ::close(reading_);
  }
  std::FILE* file() const { return file_; }

  std::string text() {
    std::string all(1 << 16, '\0');
    std::size_t size = 0;
    if (reading_ < 0) {
      std::rewind(file_);
      size = std::fread(all.data(), 1, all.size(), file_);
    } else {
      // A terminal hands on what was written a little later.
      for (pollfd ready{reading_, POLLIN, 0}; ::poll(&ready, 1, 200) == 1;) {
        const ssize_t n = ::read(reading_, all.data() + size, all.size() - size);
        if (n <= 0) break;
        size += static_cast<std::size_t>(n);
      }
    }
    all.resize(size);
    return all;
  }

 private:
  int reading_;
  std::FILE* file_;
};

/// What the redrawn lines show, without the sequence that each begins with.
std::vector<std::string> lines(const std::string& text) {
  const std::string redraw = "\r\x1b[K";
  std::vector<std::string> all;
  for (std::size_t at = text.find(redraw); at != std::string::npos;) {
    const std::size_t begin = at + redraw.size();
    at = text.find(redraw, begin);
    std::string line = text.substr(begin, at == std::string::npos ? at : at - begin);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    all.push_back(line);
  }
  return all;
}

std::int64_t columns(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

TEST_CASE("progress beyond its ends is what is nearest") {
  for (const bool terminal : {false, true}) {
    Stream stream = terminal ? Stream(200) : Stream();
    {
      Progress bar("zoo", 10, "networks", stream.file());
      for (const std::int64_t done : {std::int64_t{-5}, INT64_MIN, std::int64_t{25}, INT64_MAX}) {
        if (terminal) std::this_thread::sleep_for(120ms);
        CHECK_NOTHROW(bar.update(done));
      }
    }  // the destructor draws, too
    const std::string text = stream.text();
    CHECK(text.find("100%  10/10 networks") != std::string::npos);
    CHECK(text.find('-') == std::string::npos);
    CHECK(text.find("25/10") == std::string::npos);
    if (terminal) CHECK(text.find("[....................]    0%  0/10") != std::string::npos);
  }
  Progress nothing("none", -3, "networks", nullptr);
  CHECK_NOTHROW(nothing.update(2));
}

TEST_CASE("a line of progress is cut to the terminal's width") {
  for (const int width : {1, 10, 40, 79, 300}) {
    CAPTURE(width);
    Stream stream(width);
    {
      Progress bar("zoo", 1000, "networks x epochs", stream.file());
      for (std::int64_t done = 100; done <= 400; done += 100) {
        std::this_thread::sleep_for(110ms);
        bar.update(done, "loss 0.1234 ± 0.01, validation tau 0.123 and more that is of no use here at all");
      }
      bar.finish("the best epoch was number 12 – and this is a long text about it that no narrow terminal can hold");
    }
    const std::vector<std::string> all = lines(stream.text());
    REQUIRE(all.size() == 5);
    for (const std::string& line : all) CHECK(columns(line) < width);
    CHECK((width < 300) == (columns(all[0]) == width - 1));  // no shorter than it has to be
  }
}

TEST_CASE("the time left is of what this run has to do") {
  Stream stream;
  {
    Progress bar("magep", 1000, "steps", stream.file());
    bar.begin(900);
    std::this_thread::sleep_for(300ms);
    bar.update(910);  // 10 in 0.3 s: 90 are left, which is about 3 s
  }
  const std::string text = stream.text();
  CHECK(text.find("91%  910/1000 steps") != std::string::npos);
  const std::size_t left = text.find(" left");
  REQUIRE(left != std::string::npos);
  const std::string clock = text.substr(text.rfind(' ', left - 1) + 1, left - text.rfind(' ', left - 1) - 1);
  const int seconds = std::atoi(clock.c_str()) * 60 + std::atoi(clock.substr(clock.find(':') + 1).c_str());
  CHECK((seconds >= 2 && seconds <= 60));  // counting the 900 it would be 0
  const std::size_t rate = text.find("steps  ") + 7;
  CHECK(std::atof(text.c_str() + rate) <= 34);
}
