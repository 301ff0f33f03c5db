# Twenty seconds of the storm per transport in every run; ten minutes with -DRUNNER_SOAK=ON.
option(RUNNER_SOAK "Register the tests that run for minutes (label soak)" OFF)
test_program(kill_storm LABELS chaos SOURCES chaos/kill_storm.cpp chaos/killer.cpp LIBRARIES runner_master)
if(RUNNER_SOAK)
  foreach(transport IN ITEMS shm pipe)
    add_test(NAME soak/kill_storm_${transport} COMMAND kill_storm --gtest_filter=*/${transport}*)
    set_tests_properties(soak/kill_storm_${transport} PROPERTIES LABELS soak ENVIRONMENT RUNNER_SOAK=1 TIMEOUT 1200)
  endforeach()
endif()
