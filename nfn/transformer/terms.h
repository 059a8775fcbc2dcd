#pragma once
// Transformer-NFN (arXiv 2410.04209) as lists of typed terms (spec 3), for one block (tensors as transformer_space
// names them).

#include <span>
#include <string>
#include <vector>

namespace weft {

/// E of spec 3.1. Learned: WQ.phi1, WK.phi1, WV.phi1, WO.phi1..2, WA.phi1..13, bA.phi1..10, WB.phi1..10, bB.phi1..7.
std::string transformer_equivariant_terms();

/// I of spec 3.2, before the LayerNorm: one output tensor `y` without axes. Learned: phi1..phi7.
std::string transformer_invariant_terms();

namespace transformer {

// What the numbers of these terms stand for: once, beside the formulas.

/// The terms of one output that read nothing but sums over a network, by what they read: QK, VO, the sums of WA, WB, bA
/// and bB, nothing.
struct GlobalTerms {
  const char* output;  ///< "WA.", or "" for I
  bool per_column;     ///< one number for each column of the output, else one for all
  int phis[7];
};
std::span<const GlobalTerms> equivariant_globals();
std::span<const GlobalTerms> invariant_globals();

/// The names of E's other learned tensors, by what they make of what.
struct AxisTerms {
  const char* heads[3] = {"WQ.phi1", "WK.phi1", "WV.phi1"};
  const char *WO_sum = "WO.phi1", *WO = "WO.phi2";
  const char *row_VO = "WA.phi3", *row_WA = "WA.phi5", *WA = "WA.phi7";
  // To WA, bA and WB: from WB, from the sums of WA's rows, from bA.
  const char* WB[3] = {"WA.phi9", "bA.phi6", "WB.phi6"};
  const char* sum[3] = {"WA.phi6", "bA.phi4", "WB.phi4"};
  const char* bA[3] = {"WA.phi11", "bA.phi8", "WB.phi8"};
};

/// Terms of one output that start together: N(0, std), std = (2 / (fan_in + fan_out))^(power / 2), fans summed over
/// them (spec 3.4).
struct InitialTerms {
  std::string output;
  std::vector<int> phis;
  int power;
};
std::vector<InitialTerms> equivariant_initial();
std::vector<InitialTerms> invariant_initial();

}  // namespace transformer
}  // namespace weft
