# Installs into a folder of its own, builds the examples and each public header against that alone, and asks for what a user would.
set(prefix ${BINARY_DIR}/install-test)
set(build ${BINARY_DIR}/install-test-consumers)
file(REMOVE_RECURSE ${prefix} ${build})

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()
function(expect text)
  if(NOT out MATCHES "${text}")
    message(FATAL_ERROR "expected ${text}, found:\n${out}")
  endif()
endfunction()

# A project of somebody else's, built against the installed tree alone.
function(consumer source name)
  must(${CMAKE_COMMAND} -S ${source} -B ${build}/${name} -G Ninja -DCMAKE_CXX_COMPILER=${CXX} "-DCMAKE_CXX_FLAGS=${FLAGS}"
    -DCMAKE_PREFIX_PATH=${prefix} ${ARGN})
  must(${CMAKE_COMMAND} --build ${build}/${name} -j 2)
endfunction()

must(${CMAKE_COMMAND} --install ${BINARY_DIR} --prefix ${prefix})
# The installed program knows every kind, and so does the worker that it starts.
must(${prefix}/bin/runner kinds)
expect("nqueens")
expect("mandelbrot")
file(WRITE ${build}/jobs.yaml "version: 1\njobs: [{name: q, kind: nqueens, args: {n: 8}}]\n")
must(${prefix}/bin/runner --progress none ${build}/jobs.yaml)
expect("{\"job\":\"q\",\"result\":{\"solutions\":92}}")

consumer(${SOURCE_DIR}/examples/plugin plugin)
must(${prefix}/bin/runner kinds price --plugin ${build}/plugin/libprice.so)
expect("Prices a European call")
file(WRITE ${build}/jobs.yaml "version: 1\nplugins: [${build}/plugin/libprice.so]\njobs: [{name: p, kind: price, args: {spot: 100, strike: 90}}]\n")
must(${prefix}/bin/runner --progress none ${build}/jobs.yaml)
expect("\"job\":\"p\",\"result\":{\"value\":1[0-9]\\.")

consumer(${SOURCE_DIR}/examples/pool pool)
must(${build}/pool/options)
expect("100000 prices")
expect("at the money: 7\\.96557")
expect("option 7: crashed: SIGSEGV\noption 8: the option has ended\n99998 are fine")

consumer(${SOURCE_DIR}/examples/race race)
must(${build}/race/race)
expect("careless +80000000 added, [0-9]+ arrived, [0-9]+ lost\nwith care +80000000 added, 80000000 arrived, 0 lost")

# Public headers lie in one folder, compile alone, and none but the one for coroutines brings a large library along.
file(GLOB_RECURSE headers RELATIVE ${prefix}/include ${prefix}/include/*)
foreach(header IN LISTS headers)
  if(NOT header MATCHES "^runner/[a-z_0-9]+\\.hpp$")
    message(FATAL_ERROR "${header} is installed")
  endif()
endforeach()
consumer(${SOURCE_DIR}/tests/install/headers headers -DINCLUDE=${prefix}/include)
foreach(header IN LISTS headers)
  if(header STREQUAL "runner/async_job.hpp")
    continue()
  endif()
  must(${CXX} -std=c++20 -M -I${prefix}/include ${prefix}/include/${header})
  if(out MATCHES "(/boost/|/tbb/|/fmt/|hwloc)")
    message(FATAL_ERROR "${header} includes ${CMAKE_MATCH_1}")
  endif()
endforeach()
# What cannot be called in another process is refused by the compiler, in words.
set(refusals
  "only plain functions and lambdas without captures can be called in another process"
  "the function takes another number of arguments"
  "an argument cannot be converted to the type of its parameter"
  "a pointer, a view or a reference means nothing in another process")
foreach(case RANGE 0 4)
  separate_arguments(flags UNIX_COMMAND "${FLAGS}")
  execute_process(COMMAND ${CXX} ${flags} -std=c++20 -fsyntax-only -DCASE=${case} -I${prefix}/include
      ${SOURCE_DIR}/tests/install/refusals.cpp
    RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(case EQUAL 0)
    set(refusal "")
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "what may be called does not compile:\n${err}")
    endif()
  else()
    math(EXPR at "${case} - 1")
    list(GET refusals ${at} refusal)
    if(status EQUAL 0 OR NOT err MATCHES "${refusal}")
      message(FATAL_ERROR "case ${case}: expected an error `${refusal}`, found:\n${err}")
    endif()
  endif()
endforeach()
file(REMOVE_RECURSE ${prefix} ${build})
