/*
 * The schema registry: subjects, their versions, and schemas by id.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "registry/schema.h"

#endif
