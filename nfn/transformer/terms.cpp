#include "weft/nfn/transformer/terms.h"

namespace weft {
namespace {

constexpr const char* quadratic = R"(
QK[p,q] := WQ[h,p,x] WK[h,q,x]
VO[p,j] := WV[h,p,x] WO[h,x,j]
)";

}  // namespace

std::string transformer_equivariant_terms() {
  return std::string(quadratic) + R"(
WQ[h,j,k] += phi1[j,p] WQ[h,p,k]
WK[h,j,k] += phi1[j,p] WK[h,p,k]
WV[h,j,k] += phi1[j,p] WV[h,p,k]
WO[h,j,k] += phi1 WO[h,j,r]
WO[h,j,k] += phi2 WO[h,j,k]

WA[j,k] += phi1[p,q] QK[p,q]
WA[j,k] += phi2[p] VO[p,r]
WA[j,k] += phi3[p] VO[p,j]
WA[j,k] += phi4 WA[r,t]
WA[j,k] += phi5 WA[j,t]
WA[j,k] += phi6 WA[r,k]
WA[j,k] += phi7 WA[j,k]
WA[j,k] += phi8[q] WB[t,q]
WA[j,k] += phi9[q] WB[k,q]
WA[j,k] += phi10 bA[t]
WA[j,k] += phi11 bA[k]
WA[j,k] += phi12[q] bB[q]
WA[j,k] += phi13

bA[k] += phi1[p,q] QK[p,q]
bA[k] += phi2[p] VO[p,r]
bA[k] += phi3 WA[r,t]
bA[k] += phi4 WA[r,k]
bA[k] += phi5[q] WB[t,q]
bA[k] += phi6[q] WB[k,q]
bA[k] += phi7 bA[t]
bA[k] += phi8 bA[k]
bA[k] += phi9[q] bB[q]
bA[k] += phi10

WB[j,k] += phi1[k,p,q] QK[p,q]
WB[j,k] += phi2[k,p] VO[p,r]
WB[j,k] += phi3[k] WA[r,t]
WB[j,k] += phi4[k] WA[r,j]
WB[j,k] += phi5[k,q] WB[t,q]
WB[j,k] += phi6[k,q] WB[j,q]
WB[j,k] += phi7[k] bA[t]
WB[j,k] += phi8[k] bA[j]
WB[j,k] += phi9[k,q] bB[q]
WB[j,k] += phi10[k]

bB[k] += phi1[k,p,q] QK[p,q]
bB[k] += phi2[k,p] VO[p,r]
bB[k] += phi3[k] WA[r,t]
bB[k] += phi4[k,q] WB[t,q]
bB[k] += phi5[k] bA[t]
bB[k] += phi6[k,q] bB[q]
bB[k] += phi7[k]
)";
}

std::string transformer_invariant_terms() {
  return std::string(quadratic) + R"(
y += phi1[p,q] QK[p,q]
y += phi2[p] VO[p,r]
y += phi3 WA[r,t]
y += phi4[q] WB[t,q]
y += phi5 bA[t]
y += phi6[q] bB[q]
y += phi7
)";
}

namespace transformer {

std::span<const GlobalTerms> equivariant_globals() {
  static constexpr GlobalTerms terms[] = {{"WA.", false, {1, 2, 4, 8, 10, 12, 13}},
                                          {"bA.", false, {1, 2, 3, 5, 7, 9, 10}},
                                          {"WB.", true, {1, 2, 3, 5, 7, 9, 10}},
                                          {"bB.", true, {1, 2, 3, 4, 5, 6, 7}}};
  return terms;
}

std::span<const GlobalTerms> invariant_globals() {
  static constexpr GlobalTerms terms[] = {{"", false, {1, 2, 3, 4, 5, 6, 7}}};
  return terms;
}

std::vector<InitialTerms> equivariant_initial() {
  return {{"WQ.", {1}, 1},
          {"WK.", {1}, 1},
          {"WV.", {1}, 1},
          {"WO.", {1, 2}, 1},
          {"WA.", {11, 12, 13}, 1},
          {"WA.", {1, 2, 3}, 2},
          {"WA.", {4, 5, 6, 7, 8, 9, 10}, 2},
          {"bA.", {8, 9, 10}, 1},
          {"bA.", {1, 2}, 2},
          {"bA.", {3, 4, 5, 6, 7}, 2},
          {"WB.", {8, 9, 10}, 1},
          {"WB.", {1, 2}, 2},
          {"WB.", {3, 4, 5, 6, 7}, 2},
          {"bB.", {6, 7}, 1},
          {"bB.", {1, 2}, 2},
          {"bB.", {3, 4, 5}, 2}};
}

std::vector<InitialTerms> invariant_initial() { return {{"", {5, 6, 7}, 1}, {"", {1, 2}, 2}, {"", {3, 4}, 2}}; }

}  // namespace transformer
}  // namespace weft
