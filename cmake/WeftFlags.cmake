# Flags of weft's own targets (never exported) weft_precompile(), and
# weft_kernels(), which compiles a source once per instruction set.

add_library(weft_flags INTERFACE)
target_compile_options(weft_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wconversion>
  # One setting everywhere: a product and a sum are fused where the source says fma and nowhere else, so that scalar tails,
  # every instruction set and CUDA round alike.
  $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>
  # Loops marked as simd; of OpenMP nothing else is used.
  $<$<COMPILE_LANGUAGE:CXX>:-fopenmp-simd>
  # errno and floating-point traps are never read; without this sqrt and rint do not vectorise.
  $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno -fno-trapping-math>
  # A simd loop over calls of libm (double) stays scalar; clang calls that a failure. And -Wconversion as g++ means it.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-pass-failed -Wno-sign-conversion>)
# g++ 12 sees overlapping copies in std::string where there are none (its bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(weft_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(WEFT_WERROR)
  target_compile_options(weft_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(WEFT_SANITIZE)
  target_compile_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
if(WEFT_FUZZ)
  target_compile_options(weft_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# weft_precompile(TARGET HEADER...): where WEFT_PRECOMPILE is on, every source of the target finds these headers read.
function(weft_precompile target)
  if(WEFT_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    # g++ 12 forgets that std::string's header, read this way, is the system's: it warns of the same bug 105651 there.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${target} PRIVATE -Wno-stringop-overflow -Wno-array-bounds)
    endif()
  endif()
endfunction()

set(WEFT_ISA_LEVELS portable)
set(WEFT_ISA_FLAGS_portable "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND WEFT_ISA_LEVELS avx2 avx512)
  set(WEFT_ISA_FLAGS_avx2 -mavx2 -mfma)
  set(WEFT_ISA_FLAGS_avx512 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma -mprefer-vector-width=512)
endif()

# weft_kernels(SOURCE...): adds each source to weft once per level, with WEFT_ISA=<level> naming its namespace. Such a source
# includes no standard container: whatever it instantiates outside that namespace could replace the portable copy at link time
# (the test isa_symbols reads the objects). weft_kernels_of(TARGET SOURCE...) does so for another target.
function(weft_kernels)
  weft_kernels_of(weft ${ARGN})
endfunction()

function(weft_kernels_of target)
  foreach(source ${ARGN})
    get_filename_component(stem ${source} NAME_WE)
    foreach(level ${WEFT_ISA_LEVELS})
      set(object weft_${stem}_${level})
      add_library(${object} OBJECT ${source})
      target_compile_definitions(${object} PRIVATE WEFT_ISA=${level})
      target_compile_options(${object} PRIVATE ${WEFT_ISA_FLAGS_${level}} $<$<CONFIG:Release>:-O3>)
      target_include_directories(${object} PRIVATE ${PROJECT_BINARY_DIR}/include)
      target_link_libraries(${object} PRIVATE weft_flags)
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
      set_property(GLOBAL APPEND PROPERTY WEFT_KERNEL_OBJECTS ${object})
    endforeach()
  endforeach()
endfunction()

# weft_folder(FOLDER): its sources are weft's, found by their names: *_kernels.cpp once per instruction set, *_cases.cpp, which
# the tests run of every operation, in a library of their own.
function(weft_folder folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  foreach(source ${sources})
    if(source MATCHES "_kernels[.]cpp$")
      weft_kernels(${source})
    elseif(NOT source MATCHES "_cases[.]cpp$")
      target_sources(weft PRIVATE ${source})
    elseif(WEFT_TESTS)
      if(NOT TARGET weft_op_cases)
        add_library(weft_op_cases STATIC)
        target_link_libraries(weft_op_cases PUBLIC weft PRIVATE weft_test_flags)
      endif()
      target_sources(weft_op_cases PRIVATE ${source})
    endif()
  endforeach()
endfunction()
