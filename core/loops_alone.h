#pragma once

namespace weft {

/// While it lives, the parallel loops of this thread (core/parallel.h) run on it alone: of a thread that works beside
/// the one whose loops should have all threads.
class LoopsAlone {
 public:
  LoopsAlone();
  ~LoopsAlone();
  LoopsAlone(const LoopsAlone&) = delete;
  LoopsAlone& operator=(const LoopsAlone&) = delete;

 private:
  bool before_;
};

}  // namespace weft
