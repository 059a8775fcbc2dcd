#pragma once
// Steps: a tape as an object of Python, and what lives on it. Variables keep their tape; the tape keeps what its nodes
// point to until it is reset, so that objects of Python may go in any order.

#include <atomic>
#include <memory>
#include <vector>

#include "bindings.h"

#include "weft/autograd/tape.h"
#include "weft/ops/features.h"

namespace weft::python {

/// A tape of its own, or that of a trainer.
class StepTape {
 public:
  StepTape() : own_(std::make_unique<Tape>()), tape_(own_.get()) {}
  explicit StepTape(Tape& others) : tape_(&others) {}

  /// Throws AutogradError once the trainer that it was of is gone.
  Tape& tape() const;
  void end() { tape_ = nullptr; }
  void reset();
  /// Until reset(); a layer that is used again is kept once.
  void keep(const std::shared_ptr<const void>& thing);

 private:
  friend class TapeUse;
  std::vector<std::shared_ptr<const void>> kept_;  ///< outlives the tape
  std::unique_ptr<Tape> own_;
  Tape* tape_;
  std::atomic_flag used_;
};

/// While it lives, the calling thread has the tape, which may run without the GIL. Throws AutogradError where another
/// thread has it.
class TapeUse {
 public:
  explicit TapeUse(StepTape& tape);
  ~TapeUse() { tape_.used_.clear(); }
  TapeUse(const TapeUse&) = delete;
  TapeUse& operator=(const TapeUse&) = delete;

 private:
  StepTape& tape_;
};

struct StepVar {
  Var var;
  nb::object owner;  ///< its StepTape
  StepTape& tape() const { return nb::cast<StepTape&>(owner); }
  /// Throws AutogradError once the tape is gone.
  const Var& get() const {
    tape().tape();
    return var;
  }
};

struct StepFeatures {
  const Space* space;  ///< one of lasting()
  std::vector<Var> vars;
  nb::object owner;

  StepFeatures(const Features& x, nb::object owner);
  StepTape& tape() const { return nb::cast<StepTape&>(owner); }
  Features get() const {
    tape().tape();
    return {*space, vars};
  }
};

/// An equal space that lasts as long as the program: types on tapes point into it. There are few.
const Space& lasting(const Space& space);

}  // namespace weft::python
