/* The messages of authentication, access rights, users and quotas; messages.h says how to read the lists. */
#ifndef BROKER_MESSAGES_SECURITY_H
#define BROKER_MESSAGES_SECURITY_H

/* Every list above, an array's items before the array. */
#define WIRE_TYPES_SECURITY(X)

#endif
